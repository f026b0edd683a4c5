"""Booting the machine by hand: on this terminal, or under a Python prompt."""

import os
import sys

from tasks.graph import FOLDER, Task, step
from tasks.image import RUNVM


def task_boot() -> Task:
    """boot the machine on this terminal: doit boot [-- more of QEMU's command line]; ctrl-a x quits"""
    return {
        "actions": [step(boot)],
        "task_dep": ["runvm"],
        "pos_arg": "words",
        "meta": {"quiet": True},
    }


def task_repl() -> Task:
    """boot it under a Python prompt, to try what a test may do (docs/testing.md)"""
    return {
        "actions": [step(prompt)],
        "task_dep": ["runvm"],
        "meta": {"quiet": True},
    }


def boot(words: list[str]) -> None:
    """Run runvm.sh in place of doit."""
    os.execv(RUNVM, [RUNVM, *words])


def prompt() -> None:
    """Run the prompt in place of doit."""
    os.execv(sys.executable, [sys.executable, "-m", "notos.vm", FOLDER])

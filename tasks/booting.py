"""Booting the machine by hand: on this terminal, or under a Python prompt."""

import sys
from typing import NoReturn

from tasks.config import FOLDER
from tasks.graph import Task, action
from tasks.image import RUNVM
from tasks.usage import usage


def task_boot() -> Task:
    """boot the machine on this terminal; ctrl-a x quits

    Words after -- go to QEMU. The head of runvm.sh names the variables of the environment that it reads.
    """
    return {
        "actions": [action(boot)],
        "task_dep": ["runvm"],
        "pos_arg": "words",
        "meta": usage(words="[-- QEMU'S OPTIONS]", example="-- -s"),
    }


def task_repl() -> Task:
    """boot the machine under a Python prompt, to try what a test can do"""
    return {
        "actions": [action(prompt)],
        "task_dep": ["runvm"],
        "meta": usage(),
    }


def boot(words: list[str]) -> NoReturn:
    """Run runvm.sh in place of doit."""
    from notos import process

    process.become([RUNVM, *words])


def prompt() -> NoReturn:
    """Run the prompt in place of doit."""
    from notos import process

    process.become([sys.executable, "-m", "notos.vm", FOLDER])

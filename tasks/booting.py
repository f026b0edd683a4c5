"""Interactive boots: on this terminal, or with a Python prompt."""

import os
import sys
from typing import NoReturn

from tasks.config import FOLDER
from tasks.graph import Task, action
from tasks.image import RUNVM
from tasks.usage import INSTANCE, from_caller, options, usage


def task_boot() -> Task:
    """boot the machine on this terminal (ctrl-a x quits)

    Arguments after -- go to QEMU. The comment at the top of runvm.sh lists the environment variables that it
    reads.
    """
    return {
        "actions": [action(boot)],
        "task_dep": ["runvm"],
        "pos_arg": "words",
        "params": options(INSTANCE),
        "meta": usage(words="[-- QEMU'S OPTIONS]", example="-- -s"),
    }


def task_repl() -> Task:
    """boot the machine with a Python prompt that has the functions of tests"""
    return {
        "actions": [action(prompt)],
        "task_dep": ["runvm"],
        "meta": usage(),
    }


def boot(words: list[str], instance: str | None) -> NoReturn:
    """Replace this process with runvm.sh. `instance` is the folder of the option --instance."""
    from notos import process

    if instance:
        os.environ["NOTOS_INSTANCE"] = str(from_caller(instance).absolute())
    process.become([RUNVM, *words])


def prompt() -> NoReturn:
    """Replace this process with the Python prompt."""
    from notos import process

    process.become([sys.executable, "-m", "notos.vm", FOLDER])

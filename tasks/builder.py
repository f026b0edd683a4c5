"""The machine as a builder for Nix on this host."""

import os

from tasks import running
from tasks.graph import CACHE, MACHINE, Task, step


def task_builder() -> Task:
    """have Nix on this host build in the machine: eval "$(doit builder)", in a shell"""
    return {"actions": [step(show)], "meta": {"quiet": True, "piped": True}}


def show() -> None:
    """Print what a shell evaluates. Raises ConfigError, MachineError, ToolError."""
    from notos import builder

    print(builder.shell(MACHINE, CACHE, running.address(), os.environ.get("NIX_CONFIG", "")), end="")

"""The machine as a remote builder for Nix on this host."""

import os

from tasks import running
from tasks.config import CACHE, FEATURES, MACHINE
from tasks.graph import Task, action
from tasks.usage import HOST, PORT, options, usage


def task_builder() -> Task:
    """print shell commands that make the machine a remote builder of this host's Nix"""
    return {"actions": [action(show)], "params": options(HOST, PORT), "meta": usage(piped=True)}


def show(host: str | None, port: int | None) -> None:
    """Print commands for a shell to evaluate. Raises ConfigError, MachineError, ToolError."""
    from notos.live import nix_builder

    print(
        nix_builder.shell(
            MACHINE, FEATURES, CACHE, running.address(host, port), os.environ.get("NIX_CONFIG", "")
        ),
        end="",
    )

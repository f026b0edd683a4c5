"""Runs of a script of `system.scripts` in a sandbox: two, whose results must be the same.

The second run has one processor and other process numbers, starts at another second, and finds files that
were written in another order. Programs that link the C library dynamically see a clock that starts at EPOCH,
by libfaketime. The sandbox has neither files of this host nor a network.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from notos.architecture import Architecture
from notos.atomic import remove_folder
from notos.debian.unpack import Unpack, unpack
from notos.errors import ToolError, raise_all
from notos.formats.tree import Tree
from notos.integration import alternatives
from notos.integration.model import Context, installed
from notos.process import follow
from notos.system import script_changes, script_root
from notos.system.script_changes import Changes
from notos.system.script_root import Root
from notos.toolchain import fixed_clock
from notos.toolchain.fixed_clock import EPOCH
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

_LAST_LINES = 12
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How a shell starts the script; the second time, with another process number.
_START = 'umask 022; exec "$0"'
_OTHER_START = 'umask 022; for each in 1 2 3 4 5 6 7 8 9; do (:); done; "$0"; exit "$?"'


class Script(NamedTuple):
    """A script: its keys in the config, its whole text, and the seconds that it may run."""

    keys: tuple[str, ...]
    text: str
    timeout: int


def tools(debs: Sequence[Unpack], target: Architecture) -> Tree:
    """Return the tree of packages that only a script needs, with their alternatives. Raises PackageError."""
    tree = unpack(debs, jobs=os.cpu_count() or 1)
    alternatives.apply(tree, Context(target, installed(debs)))
    return tree


@contextmanager
def changes(
    script: Script,
    root: Root,
    scratch: Path,
    *,
    target: Architecture,
    bwrap: ToolsTree,
    on_line: Callable[[str], None],
) -> Iterator[Changes]:
    """Run the script twice over `root`, and yield its changes, whose files are in `scratch` for so long.

    `target` is the machine's architecture, `bwrap` has the program bwrap, `on_line` gets each line of output.
    `scratch` may have the remains of a killed run. Raises ToolError for a script that fails, does not end or
    is not reproducible, NotosError for changes that cannot be kept, ClosureError for a program without its
    libraries.
    """
    try:
        remove_folder(scratch)
        started = time.monotonic()
        first = _run(script, root, bwrap, scratch / "1", on_line=on_line, again=False)
        # Clocks show seconds.
        time.sleep(max(0.0, started + 1.1 - time.monotonic()))
        second = _run(script, root, bwrap, scratch / "2", on_line=on_line, again=True)
        if different := script_changes.differences(first, second):
            raise ToolError(
                f"{_name(script)} is not reproducible: two runs had other results at {_listed(different)}",
                hint="look for random names and numbers, times, and files in the order of a folder",
                keys=script.keys,
            )
        raise_all(script_changes.lacking(root, first, target))
        yield first
    finally:
        remove_folder(scratch)


def _run(
    script: Script,
    root: Root,
    bwrap: ToolsTree,
    scratch: Path,
    *,
    on_line: Callable[[str], None],
    again: bool,
) -> Changes:
    """Run the script in `scratch` and return its changes."""
    folder = scratch / "root"
    folder.mkdir(parents=True)
    program = scratch / "script"
    program.write_text(script.text)
    program.chmod(0o755)
    script_root.lay_out(root, folder, backwards=again)
    inside = f"/run/{script.keys[-1]}"
    sandbox = Sandbox(bwrap, root=folder, readable={inside: program}, environment=_environment(root))
    shell = ["/bin/sh", "-c"]
    if not again:
        sandbox.prove([*shell, ":"])
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        del lines[:-_LAST_LINES]
        on_line(line)

    with _processors(1 if again else 0):
        status = follow(
            sandbox.command([*shell, _OTHER_START if again else _START, inside]),
            scratch / "log",
            keep,
            limit=script.timeout,
        )
    if status != 0:
        how = f"exit status {status}" if status is not None else f"no end after {script.timeout} s"
        if any("Invalid argument" in line and line.startswith(("chown", "chgrp")) for line in lines):
            how += "; only root owns files here, tmpfiles.d gives others: z /PATH - USER GROUP"
        said = "".join(f"\n  | {line}" for line in lines)
        which = " in the second of its two runs" if again else ""
        raise ToolError(f"{_name(script)} failed{which} ({how}){said}", keys=script.keys)
    return script_changes.find(root, folder, script.keys)


def _environment(root: Root) -> dict[str, str]:
    found = {
        "PATH": _PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "XDG_CACHE_HOME": "/tmp/cache",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    clock = next((path for path, _ in root.tree.items() if path.endswith(fixed_clock.LIBRARY)), None)
    return found | (fixed_clock.environment(f"/{clock}") if clock else {})


@contextmanager
def _processors(number: int) -> Iterator[None]:
    """Let processes that this thread starts use only `number` processors; 0 is all."""
    usable = os.sched_getaffinity(0)
    if number:
        os.sched_setaffinity(0, sorted(usable)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def _name(script: Script) -> str:
    return ".".join(script.keys)


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")

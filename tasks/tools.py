"""Tools trees: programs for the build, unpacked in the cache."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from notos.system import contents
from tasks import sets
from tasks.config import BUILD, CACHE, FEATURES, MACHINE, build
from tasks.graph import Task, action
from tasks.targets import write_if_changed
from tasks.uptodate import Present

if TYPE_CHECKING:
    from notos.toolchain.tools_tree import ToolsTree


def target(name: str) -> str:
    """Return the file that names the tree of the tools `name`."""
    return build("tools", f"{name}.json")


def task_tools() -> Iterator[Task]:
    """unpack the programs for the build"""
    for set_name in contents.tools(MACHINE, FEATURES):
        name = set_name.rpartition("/")[2]
        yield {
            "name": name,
            "doc": f"unpack the tools {set_name}",
            "actions": [(action(unpack), [name, set_name])],
            "file_dep": [sets.path(set_name)],
            "task_dep": ["fetch"],
            "targets": [target(name)],
            "uptodate": [Present(partial(where, name))],
            "clean": True,
        }


def unpack(name: str, set_name: str) -> None:
    """Unpack a tree if the cache lacks it."""
    from notos.toolchain import tools_tree

    packages = contents.tool_packages(set_name, FEATURES, MACHINE.target, BUILD)
    keep = contents.KEEP.get(set_name, ())
    named = tools_tree.key(sets.hashes(set_name).values(), packages, keep)
    tools_tree.ensure(CACHE, named, BUILD, sets.debs(set_name, CACHE, packages), keep)
    write_if_changed(target(name), json.dumps({"key": named}).encode())


def where(name: str) -> list[Path]:
    """Return the folder of the tools tree `name`; none before its task has run."""
    return [root(name)] if Path(target(name)).exists() else []


def key(name: str) -> str:
    """Return the key of the tools tree `name`, once its task has run."""
    found: str = json.loads(Path(target(name)).read_bytes())["key"]
    return found


def root(name: str) -> Path:
    """Return the folder of the tools tree `name`, once its task has run."""
    return CACHE.tools(key(name))


def tree(name: str) -> "ToolsTree":
    """Return the tools `name`, once their task has run."""
    from notos.toolchain.tools_tree import ToolsTree

    return ToolsTree(root(name), BUILD)


def command(name: str, program: str) -> list[str]:
    """Return the command words for `program` of the tools `name`. Raises ToolError."""
    return tree(name).command(program)

"""Tools trees: the programs that the build itself runs, unpacked in the cache."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from notos.system import contents
from tasks import sets
from tasks.graph import (
    CACHE,
    FEATURES,
    MACHINE,
    Task,
    build,
    intact,
    present,
    settings,
    step,
    write_if_changed,
)

if TYPE_CHECKING:
    from notos.toolchain.tools_tree import ToolsTree

PACKAGES = contents.tools(MACHINE, FEATURES)
SETS = {name.rpartition("/")[2]: name for name in PACKAGES}


def target(name: str) -> str:
    """The file that says which tree the tools `name` are."""
    return build("tools", f"{name}.json")


def task_tools() -> Iterator[Task]:
    """unpack the programs that the build runs"""
    for name, set_name in SETS.items():
        yield {
            "name": name,
            "doc": f"unpack the programs of {set_name}",
            "actions": [(step(unpack), [name])],
            "file_dep": [sets.path(set_name)],
            "task_dep": ["fetch"],
            "targets": [target(name)],
            "uptodate": [
                settings(
                    [
                        contents.KEEP.get(set_name),
                        *([each.only, each.exclude] for each in PACKAGES[set_name]),
                    ]
                ),
                present(partial(where, name)),
                intact(),
            ],
            "clean": True,
        }


def unpack(name: str) -> None:
    """Unpack a tree unless the cache has it."""
    from notos.toolchain import tools_tree

    packages = PACKAGES[SETS[name]]
    keep = contents.KEEP.get(SETS[name], ())
    key = tools_tree.key(sets.hashes(SETS[name]).values(), packages, keep)
    tools_tree.ensure(CACHE, key, sets.debs(SETS[name], CACHE, packages), keep)
    write_if_changed(target(name), json.dumps({"key": key}).encode())


def where(name: str) -> list[Path]:
    """The folder of the tools tree `name`; none before its task has run."""
    return [root(name)] if Path(target(name)).exists() else []


def root(name: str) -> Path:
    """The folder of the tools tree `name`, once its task has run."""
    return CACHE.tools(json.loads(Path(target(name)).read_bytes())["key"])


def tree(name: str) -> "ToolsTree":
    """The tools `name`, once their task has run."""
    from notos.toolchain.tools_tree import ToolsTree

    return ToolsTree(root(name))


def command(name: str, program: str) -> list[str]:
    """The words that run `program` of the tools `name`. Raises ToolError."""
    return tree(name).command(program)

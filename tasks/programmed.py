"""The files of the programs in `build`, which the tasks of tasks/programs.py have built."""

from typing import TYPE_CHECKING

from tasks import project, sets
from tasks.config import CACHE, FEATURES, MACHINE, manifest
from tasks.inputs import recorded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from notos.errors import NotosError
    from notos.formats.tree import Tree
    from notos.system.state import Member

AREAS = ("usr", "opt", "srv")


@recorded
def programs() -> tuple[str, ...]:
    """Return the names of the programs, in order."""
    return tuple(MACHINE.build.programs)


def task(name: str) -> str:
    """Return the name of the manifest of a program's object."""
    return f"program-{name}"


def manifests() -> list[str]:
    """Return the manifests of all programs, in order."""
    return [manifest(task(name)) for name in programs()]


def members(*areas: str, whole: bool = False) -> "list[Member]":
    """Return the files of all programs in these top folders.

    With `whole`, those that the config removes are among them.
    """
    if not programs():
        return []
    from notos.system import program_files

    removed = () if whole else FEATURES.removed
    found = (
        each for name in programs() for each in program_files.members(name, project.tree(task(name)), removed)
    )
    return [each for each in found if each.path.split("/")[1] in areas]


def conflicts(packaged: "Collection[str]", others: "Mapping[str, tuple[str, ...]]") -> "Iterator[NotosError]":
    """Yield an error for each file of a program at a path that has another file.

    `packaged` are the absolute paths of packages; `others` has the keys of the config's other files.
    """
    from notos.features.model import Removal
    from notos.system import program_files, usr

    patterns = [each.path for each in FEATURES.removed if isinstance(each, Removal)]

    def is_packaged(path: str) -> bool:
        return path in packaged and not usr.is_below(path, patterns)

    yield from program_files.conflicts(members(*AREAS), is_packaged, others)


def lacking(root: "Tree") -> "Iterator[NotosError]":
    """Yield an error for each library and each interpreter that programs need and the tree `root` lacks."""
    from notos.system import program_files

    yield from program_files.lacking(members("usr", "opt"), root, MACHINE.target, _provider)


def _provider(name: str, soname: str) -> str:
    """Return the package of the build of the program `name` that has the library `soname`; "" if none has."""
    from notos.lock import elf_facts
    from notos.system import contents

    hashes = sets.hashes(contents.program_set(name))
    facts = elf_facts.read(hashes.values(), CACHE, MACHINE.target)
    return next((package for package, each in hashes.items() if soname in facts[each].libraries), "")

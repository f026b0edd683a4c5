"""What differs first between two builds of one machine, told so that one can go and look."""

import os
from collections.abc import Iterable
from pathlib import Path

from notos.errors import NotosError
from notos.formats.tree import File, Symlink, Tree
from notos.store.store import StoreObject

CHUNK = 1 << 20  # bytes


def first(here: Path, there: Path, targets: Iterable[str]) -> str | None:
    """The first of the paths `targets` below the folders of two builds that is not the same, and how.

    Of a manifest it is the file in the store object that differs. None when all are the same bytes.
    """
    for target in targets:
        told = _manifest(here, there, target) if Path(target).parent.name == "manifests" else None
        told = told or _file(here / target, there / target)
        if told is not None:
            return f"{target}: {told}"
    return None


def _manifest(here: Path, there: Path, target: str) -> str | None:
    """How the objects of two manifests differ; None when they do not, or cannot be compared."""
    trees = []
    names = []
    for root in (here, there):
        try:
            obj = StoreObject.from_json((root / target).read_bytes())
            trees.append(Tree.from_directory(root / Path(target).parent.parent / "store" / obj.base))
        except (OSError, NotosError):
            return None
        names.append(obj.base)
    told = tree(*trees)
    return f"{told} (in {names[0]} and {names[1]})" if told else None


def tree(one: Tree, other: Tree) -> str | None:
    """The first path at which two trees are not the same, and how."""
    for path in sorted({each for each, _ in one.items()} | {each for each, _ in other.items()}):
        mine, its = one.get(path), other.get(path)
        if mine is None or its is None:
            return f"{path} is only in {'the second' if mine is None else 'the first'}"
        if type(mine) is not type(its):
            return f"{path} is a {type(mine).__name__.lower()} and a {type(its).__name__.lower()}"
        if isinstance(mine, Symlink) and isinstance(its, Symlink) and mine != its:
            return f"{path} leads to {mine.target} and to {its.target}"
        if isinstance(mine, File) and isinstance(its, File):
            if mine.executable != its.executable:
                return f"{path} is executable in one only"
            if told := _bytes(mine.read(), its.read(), 0):
                return f"{path} {told}"
    return None


def _file(here: Path, there: Path) -> str | None:
    for path in (here, there):
        if not os.path.lexists(path):
            return f"{path} is missing"
    if here.is_symlink() and there.is_symlink():
        same = os.readlink(here) == os.readlink(there)
        return None if same else f"it leads to {os.readlink(here)} and to {os.readlink(there)}"
    with here.open("rb") as one, there.open("rb") as other:
        at = 0
        while True:
            mine, its = one.read(CHUNK), other.read(CHUNK)
            if told := _bytes(mine, its, at):
                return f"it {told}"
            if not mine:
                return None
            at += len(mine)


def _bytes(one: bytes, other: bytes, start: int) -> str | None:
    if one == other:
        return None
    both = min(len(one), len(other))
    at = next((place for place in range(both) if one[place] != other[place]), both)
    if at == both:
        return f"ends after {start + len(one)} and after {start + len(other)} bytes"
    return f"differs from byte {start + at} on: {_shown(one, at)} and {_shown(other, at)}"


def _shown(data: bytes, at: int) -> str:
    """Some bytes from there on."""
    return repr(data[at : at + 16])[1:]

"""The first difference between two builds of a machine, as a message."""

import os
from collections.abc import Iterable
from pathlib import Path

from notos.errors import NotosError
from notos.formats.tree import File, Symlink, Tree
from notos.store.store import StoreObject

CHUNK = 1 << 20  # bytes


def first(here: Path, there: Path, targets: Iterable[str]) -> str | None:
    """Return the first of the paths `targets` that differs between the folders of two builds, and how.

    For a manifest, the message names the file in the store object that differs. Returns None if all targets
    have the same bytes.
    """
    for target in targets:
        found = _manifest(here, there, target) if Path(target).parent.name == "manifests" else None
        found = found or _file(here / target, there / target)
        if found is not None:
            return f"{target}: {found}"
    return None


def _manifest(here: Path, there: Path, target: str) -> str | None:
    """Return how the objects of two manifests differ, None if they do not or cannot be compared."""
    trees = []
    names = []
    for root in (here, there):
        try:
            obj = StoreObject.from_json((root / target).read_bytes())
            trees.append(Tree.from_directory(root / Path(target).parent.parent / "store" / obj.base))
        except (OSError, NotosError):
            return None
        names.append(obj.base)
    found = tree(*trees)
    return f"{found} (in {names[0]} and {names[1]})" if found else None


def tree(one: Tree, other: Tree) -> str | None:
    """Return the first path at which two trees differ, and how; None if they are the same."""
    for path in sorted({each for each, _ in one.items()} | {each for each, _ in other.items()}):
        mine, its = one.get(path), other.get(path)
        if mine is None or its is None:
            return f"{path} is only in {'the second' if mine is None else 'the first'}"
        if type(mine) is not type(its):
            return f"{path} is a {type(mine).__name__.lower()} and a {type(its).__name__.lower()}"
        if isinstance(mine, Symlink) and isinstance(its, Symlink) and mine != its:
            return f"{path} has the targets {mine.target} and {its.target}"
        if isinstance(mine, File) and isinstance(its, File):
            if mine.executable != its.executable:
                return f"{path} is executable in one only"
            if found := _bytes(mine.read(), its.read(), 0):
                return f"{path} {found}"
    return None


def _file(here: Path, there: Path) -> str | None:
    for path in (here, there):
        if not os.path.lexists(path):
            return f"{path} is missing"
    if here.is_symlink() and there.is_symlink():
        same = os.readlink(here) == os.readlink(there)
        return None if same else f"it has the targets {os.readlink(here)} and {os.readlink(there)}"
    with here.open("rb") as one, there.open("rb") as other:
        at = 0
        while True:
            mine, its = one.read(CHUNK), other.read(CHUNK)
            if found := _bytes(mine, its, at):
                return f"it {found}"
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
    return f"differs at byte {start + at}: {_shown(one, at)} and {_shown(other, at)}"


def _shown(data: bytes, at: int) -> str:
    """Return the 16 bytes at `at` as text."""
    return repr(data[at : at + 16])[1:]

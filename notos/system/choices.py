"""Files of packages that a config names, such as its time zone: found, or reported with similar names."""

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from notos import errors
from notos.debian.unpack import Unpack, unpack
from notos.errors import NotosError, PackageError
from notos.features.model import Choice
from notos.formats.tree import Directory, Entry, File, Symlink, Tree

_MOST_LINKS = 40  # as the kernel follows


def check(debs: Sequence[Unpack], choices: Iterable[Choice]) -> None:
    """Raise PackageError for each choice that its package lacks, with its keys and similar names."""
    complete(Tree(), debs, choices)


def complete(tree: Tree, debs: Sequence[Unpack], choices: Iterable[Choice]) -> None:
    """Add to `tree`, that of all packages, what the chosen links lead to.

    In a chosen folder, files take the place of links that lead nowhere: Debian's compiled locales share their
    files by links, and a machine has only its own. `debs` are the system's packages. Raises PackageError as
    `check` does.
    """
    problems: list[NotosError] = []
    for each in choices:
        path = f"usr/{each.folder}/{each.path}"
        if _is_present(tree, path, each.folder_of_files):
            continue
        whole = _whole(each, debs)
        found = dict(_below(whole, path, each.folder_of_files))
        if not found:
            problems.append(_unknown(each, whole))
        for place, entry in found.items():
            if place not in tree:
                tree.add(place, entry)
            elif each.folder_of_files and tree.resolve(place) is None:
                tree.replace(place, entry)
    errors.raise_all(problems)


def _is_present(tree: Tree, path: str, folder: bool) -> bool:
    """Return True if `path` leads to a file of `tree`, or is a folder without dangling links if `folder`."""
    if folder:
        below = (place for place, _ in tree.items() if place.startswith(f"{path}/"))
        return isinstance(tree.get(path), Directory) and all(map(tree.resolve, below))
    target = tree.resolve(path)
    return target is not None and isinstance(tree.get(target), File)


def _whole(choice: Choice, debs: Sequence[Unpack]) -> Tree:
    """Return all files of the choice's package."""
    deb = next(each for each in debs if each.package == choice.package)
    return unpack([Unpack(deb.path, package=deb.package)])


def _below(tree: Tree, path: str, folder: bool) -> Iterator[tuple[str, Entry]]:
    """Yield the files below a folder, with those that links lead to in place of the links; or `path` itself.

    If `path` is a link, the links and the file that it leads to follow.
    """
    if folder:
        for place, _ in tree.items():
            entry = tree.get(tree.resolve(place) or "") if place.startswith(f"{path}/") else None
            if isinstance(entry, File):
                yield place, entry
        return
    place = path
    for _ in range(_MOST_LINKS):
        entry = tree.get(place)
        if isinstance(entry, File | Symlink):
            yield place, entry
        if not isinstance(entry, Symlink):
            return
        place = posixpath.normpath(posixpath.join("/", posixpath.dirname(place), entry.target)).lstrip("/")


def _unknown(choice: Choice, tree: Tree) -> PackageError:
    import difflib

    prefix = f"usr/{choice.folder}/"
    names = set()
    for place, entry in tree.items():
        if place.startswith(prefix) and not isinstance(entry, Directory):
            name = place.removeprefix(prefix)
            # A locale is a folder, a time zone a file in folders.
            names.add(name.partition("/LC_")[0])
    last = {name.rpartition("/")[2].lower(): name for name in sorted(names)}
    near = difflib.get_close_matches(choice.path, sorted(names), 3, 0.7)
    near = near or [
        last[each] for each in difflib.get_close_matches(choice.path.rpartition("/")[2].lower(), last, 3, 0.7)
    ]
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"the package {choice.package} has {len(names)} others"
    )
    return PackageError(f"the {choice.what} {choice.path} does not exist", hint=hint, keys=choice.keys)

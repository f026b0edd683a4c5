"""The machine's /usr and /opt with the files of the config, as a store object beside system-path.

    usr/…   a folder without changes, and a file of a package, is a link to system-path
    opt/…   files and folders; activate links /opt/NAME to each

So an edit of such a file does not change system-path, which is large. A file or link of the config replaces
one of a package. A folder is merged with a package's folder of the same path.
"""

import difflib
import fnmatch
from collections.abc import Collection, Iterable, Iterator

from notos import errors
from notos.errors import NotosError
from notos.features.model import Removal
from notos.formats.tree import Directory, Entry, Symlink, Tree
from notos.system.state import Member

NAME = "files"


def overlaid(tree: Tree, root: str, members: Iterable[Member], removed: Iterable[Removal]) -> Tree:
    """Return a copy of `tree`, whose root is the folder `root` of the machine, without and with these paths.

    Raises NotosError with all members that conflict with a folder, a file or a link of `tree`.
    """
    made = Tree()
    patterns = [each.path for each in removed]
    gone = [path for path, _ in tree.items() if patterns and matched(f"{root}/{path}", patterns)]
    for path, entry in tree.items():
        made.add(path, entry)
    for path in gone:
        made.remove(path)
    errors.raise_all(_put(made, root, members))
    return made


def matched(path: str, patterns: Iterable[str]) -> bool:
    """Return True if one of the patterns of absolute paths matches `path`."""
    return any(path == each or fnmatch.fnmatchcase(path, each) for each in patterns)


def is_below(path: str, patterns: Collection[str]) -> bool:
    """Return True if one of the patterns matches the absolute `path` or a folder above it."""
    return bool(patterns) and any(matched(each, patterns) for each in (path, *_above(path)))


def _above(path: str) -> Iterator[str]:
    """Yield the folders above an absolute path, without the root."""
    while path := path.rpartition("/")[0]:
        yield path


def unused(removed: Iterable[Removal], paths: Iterable[str]) -> Iterator[NotosError]:
    """Yield an error for each removal that matches none of `paths`, absolute ones, nor a folder above."""
    known = {each: None for path in paths for each in (path, *_above(path))}
    for each in removed:
        if not any(matched(path, [each.path]) for path in known):
            near = difflib.get_close_matches(each.path, known, 1)
            hint = f"did you mean {near[0]}?" if near else "leave it out"
            yield NotosError(f"no package and no file has {each.path}", hint=hint, keys=each.keys)


def _put(tree: Tree, root: str, members: Iterable[Member]) -> Iterator[NotosError]:
    """Put the members into `tree`; yield an error for each that conflicts with it."""
    packaged = dict(tree.items())
    for member in members:
        if member.path == root:
            continue
        path = member.path.removeprefix(f"{root}/")
        parent, _, name = path.rpartition("/")
        above = _blocking(tree, parent)
        if above and (found := _resolved(tree, parent, above)) is not None:
            path, above = f"{found}/{name}", ""
        present = tree.get(path)
        if above:
            yield _conflict(member, f"lies below {root}/{above}", tree.get(above), packaged.get(above))
        elif isinstance(member.entry, Directory):
            if present is None:
                tree.directory(path)
            elif not isinstance(present, Directory) and not _leads_to_folder(tree, path):
                yield _conflict(member, "is a folder in the config", present, packaged.get(path))
        elif isinstance(present, Directory):
            yield _conflict(member, "is a file or link in the config", present, packaged.get(path))
        else:
            tree.replace(path, member.entry)


def _blocking(tree: Tree, parent: str) -> str:
    """Return the first part of `parent` that is not a folder; "" if there is none."""
    parts = parent.split("/") if parent else []
    for above in ("/".join(parts[:length]) for length in range(1, len(parts) + 1)):
        if above in tree and not isinstance(tree.get(above), Directory):
            return above
    return ""


def _resolved(tree: Tree, parent: str, above: str) -> str | None:
    """Return `parent`, below the link `above`, with links followed; None if it leads to no folder."""
    found = tree.resolve(above) if isinstance(tree.get(above), Symlink) else None
    if found is None or not isinstance(tree.get(found), Directory):
        return None
    path = f"{found}{parent.removeprefix(above)}"
    return None if _blocking(tree, path) else path


def _leads_to_folder(tree: Tree, path: str) -> bool:
    found = tree.resolve(path)
    return found is not None and isinstance(tree.get(found), Directory)


def _conflict(member: Member, how: str, present: Entry | None, packaged: Entry | None) -> NotosError:
    """Return the error of a member that conflicts with `present`; a package has `packaged` at that path."""
    kind = "folder" if isinstance(present, Directory) else "file"
    if isinstance(present, Symlink):
        kind = f"link to {present.target}"
    below = how.startswith("lies")
    if present is packaged:
        end = f", which is a {kind} of a package" if below else f" and a {kind} in a package"
        hint = "rename it, or add the package's path to `remove`"
    else:
        end = f", which is a {kind} of the config" if below else f", and a {kind} by another key"
        hint = "rename one of them"
    return NotosError(f"{member.path} {how}{end}", hint=hint, keys=member.keys)


def build(usr: Tree, system: Tree, system_path: str) -> Tree:
    """Return the tree with usr/ for a whole `usr`; empty if that is `system`, which is at `system_path`.

    Entries of `usr` that are those of `system` become links.
    """
    tree = Tree()
    changed = {path for path, entry in usr.items() if system.get(path) is not entry}
    opened = {""}  # folders with a change in them
    for path in changed | {path for path, _ in system.items() if path not in usr}:
        parts = path.split("/")
        opened |= {"/".join(parts[:length]) for length in range(len(parts))}
    if not changed and all(path in usr for path, _ in system.items()):
        return tree
    for path, entry in usr.items():
        if path.rpartition("/")[0] not in opened:
            continue
        if path in changed or isinstance(entry, Symlink):
            tree.add(f"usr/{path}", entry)
        elif path in opened:
            tree.directory(f"usr/{path}")
        else:
            tree.symlink(f"usr/{path}", f"{system_path}/{path}")
    return tree

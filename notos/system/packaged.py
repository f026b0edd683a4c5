"""The files that packages have outside of /usr and /etc, as a store object that no machine has.

state/…   files and links in /var and /srv with modes and owners, in the layout of state.py
opt/…     files in /opt

The object `state` has a copy of the former, the object `files` of the latter (tasks/placed.py).
"""

from collections.abc import Iterator, Sequence

from notos.debian.deb import Attributes
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.integration import accounts, folders
from notos.integration.model import Context
from notos.system import state
from notos.system.state import Member
from notos.system.usr import is_below

NAME = "packaged"
_STATE = "state"
_OPT = "opt/"
_FOLDERS = folders.TMPFILES.removeprefix("usr/")


def build(packages: Tree, context: Context) -> Tree:
    """Return the object's tree, for the tree of all packages. Raises NotosError."""
    tree = Tree()
    for path, entry in packages.items():
        if path.startswith(_OPT):
            tree.add(path, entry)
    found = list(_members(packages, context))
    if found:
        tree.graft(_STATE, state.build(found))
    return tree


def members(tree: Tree) -> Iterator[Member]:
    """Yield the initial state of the packages, from a tree that build() returned."""
    prefix = f"{_STATE}/"
    below = Tree()
    for path, entry in tree.items():
        if path.startswith(prefix):
            below.add(path.removeprefix(prefix), entry)
    yield from state.members(below)


def opt(tree: Tree) -> Tree:
    """Return the tree of /opt, from a tree that build() returned."""
    below = Tree()
    for path, entry in tree.items():
        if path.startswith(_OPT):
            below.add(path.removeprefix(_OPT), entry)
    return below


def folder_paths(usr: Tree) -> Iterator[str]:
    """Yield the absolute paths of the packages' folders in /var and /srv, for a tree of /usr."""
    entry = usr.get(_FOLDERS)
    if isinstance(entry, File):
        yield from (path for path, _ in folders.lines(entry.read().decode()))


def remove_folders(usr: Tree, patterns: Sequence[str]) -> None:
    """Remove the packages' folders in /var and /srv that `patterns` match from a tree of /usr."""
    entry = usr.get(_FOLDERS)
    if isinstance(entry, File):
        found = list(folders.lines(entry.read().decode()))
        kept = [line for path, line in found if not is_below(path, patterns)]
        if len(kept) < len(found):
            usr.replace(_FOLDERS, File("".join(kept).encode()))


def _members(packages: Tree, context: Context) -> Iterator[Member]:
    known = set(accounts.declared(packages, context))
    made = context.scripts.made
    for path, entry in packages.items():
        if not path.startswith(folders.AREAS) or path.startswith(("var/run/", "var/lock/")):
            continue
        if isinstance(entry, File):
            given = context.attributes.get(path, Attributes(0o755 if entry.executable else 0o644))
            if path in made:  # a secret file must not be readable before tmpfiles.d is applied
                node = made[path]
                given = Attributes(node.bits, node.owner or "root", node.group or "root")
            mode, owner, group = folders.owned(given, known)
            yield Member(f"/{path}", entry, mode, owner, group)
        elif isinstance(entry, Symlink) and not _is_standard(path):
            yield Member(f"/{path}", entry, "0777")
        else:
            assert isinstance(entry, Directory | Symlink), "packages have no device nodes"


def _is_standard(path: str) -> bool:
    return path in ("var/run", "var/lock")

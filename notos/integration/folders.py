"""Folders that packages have in /var and /srv, as a tmpfiles.d file, and empty ones that they have in /etc.

A tree of packages has no empty folders. Files in /var and /srv are the initial state (notos.system.state);
modes and owners are those of the packages, or what their maintainer scripts change them to: a line for that
alone would come too late, because systemd-tmpfiles refuses to change a folder of root below one of another
account.
"""

import re
from collections.abc import Iterator

from notos.debian import base_folders
from notos.debian.deb import Attributes
from notos.debian.kinds import unwanted
from notos.formats.tree import Directory, File, Tree
from notos.integration import accounts, permissions
from notos.integration.model import Context

# The last file by name: a line of a package or of a maintainer script wins.
TMPFILES = "usr/lib/tmpfiles.d/zz-packages.conf"
AREAS = ("var/", "srv/")
ETC = "etc/"
_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%"}
_PLAIN = {escape: letter for letter, escape in _ESCAPES.items()}
_CHANGED = re.compile(r'z ("(?:\\.|[^"\\])*") (\S+) (\S+) (\S+)')
_PATH = re.compile(r'd "((?:\\.|[^"\\])*)" ')


def apply(tree: Tree, context: Context) -> None:
    """Add the folders of whole packages to `tree`, those of /var and /srv as lines of tmpfiles.d(5)."""
    _add_empty(tree, context)
    known = set(accounts.declared(tree, context))
    changed = _changed(tree)
    found = []
    for path in sorted(context.folders - base_folders.PATHS - base_folders.LINKS.keys()):
        if path.startswith(AREAS) and not path.startswith(("var/run/", "var/lock/")):
            mode, owner, group = owned(context.attributes.get(path, Attributes(0o755)), known)
            quoted = "".join(_ESCAPES.get(letter, letter) for letter in path)
            given = changed.get(f'"/{quoted}"', ("-", "-", "-"))
            values = zip(given, (mode, owner, group), strict=True)
            words = (plain if new == "-" else new for new, plain in values)
            found.append(f'd "/{quoted}" {" ".join(words)}\n')
    if found:
        tree.replace(TMPFILES, File("".join(found).encode()))


def _changed(tree: Tree) -> dict[str, tuple[str, ...]]:
    """Return mode, owner and group of folders that maintainer scripts change, by quoted path."""
    entry = tree.get(permissions.TMPFILES)
    if not isinstance(entry, File):
        return {}
    found = (_CHANGED.fullmatch(line) for line in entry.read().decode().splitlines())
    return {match[1]: match.groups()[1:] for match in found if match}


def _add_empty(tree: Tree, context: Context) -> None:
    """Add folders of /etc that have no files, without those for files that the machine leaves out."""
    left_out = unwanted(context.keep)
    for path in sorted(context.folders - base_folders.PATHS):
        wanted = path.startswith(ETC) and not left_out(path) and not left_out(f"{path}/x")
        if (
            wanted
            and path not in tree
            and all(isinstance(tree.get(above), Directory | None) for above in parents(path))
        ):
            tree.directory(path)


def parents(path: str) -> Iterator[str]:
    """Yield the folders above a relative path."""
    while path := path.rpartition("/")[0]:
        yield path


def lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the absolute path and the line of each folder in the text of TMPFILES."""
    for line in text.splitlines(keepends=True):
        match = _PATH.match(line)
        assert match, "apply() wrote the line"
        yield re.sub(r"\\.|%%", lambda escape: _PLAIN[escape[0]], match[1]), line


def owned(attributes: Attributes, known: set[str]) -> tuple[str, str, str]:
    """Return mode, owner and group; root in place of an account that is not `known` (accounts.declared)."""
    owner = attributes.owner if attributes.owner in known or attributes.owner.isdigit() else "root"
    group = attributes.group if f"group {attributes.group}" in known or attributes.group.isdigit() else "root"
    return f"{attributes.mode:04o}", owner, group

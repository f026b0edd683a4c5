"""Files and links that maintainer scripts make: copies of packages' files, and literal texts.

Those that certainly run on a new system are made in the tree, in /etc, /usr, /var, /srv and /opt. Modes and
owners are those of permissions.py.
"""

import re

from notos.debian.kinds import unwanted
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.integration.model import Context

# Records of programs that a machine does not have.
_RECORDS = re.compile(r"var/(?:lib/(?:dpkg|ucf)|cache/debconf|tmp|backups|run|lock)/|.*\.dpkg-")
_AREAS = ("etc/", "usr/", "var/", "srv/", "opt/")


def apply(tree: Tree, context: Context) -> None:
    """Add the files and links to `tree`, as they are after the last script."""
    left_out = unwanted(context.keep)
    for path, node in context.scripts.made.items():
        if not is_kept(path) or left_out(path) or not _parents_free(path, tree):
            continue
        if isinstance(tree.get(path), Directory):
            continue
        if node.kind == "l" and path.startswith(("etc/", "usr/")):
            tree.replace(path, Symlink(node.target))
        elif node.content:  # permissions.py makes empty ones
            tree.replace(path, File(node.content, node.executable))


def is_kept(path: str) -> bool:
    """Return True for a usr-merged path where a script's files matter to a machine."""
    return path.startswith(_AREAS) and not _RECORDS.match(path)


def _parents_free(path: str, tree: Tree) -> bool:
    parts = path.split("/")
    parents = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return all(isinstance(tree.get(each), Directory | None) for each in parents)

"""Folders that packages have in /var and /srv, as a tmpfiles.d file: a tree of packages has no empty folders.

Files there are the initial state (notos.system.state); modes and owners are those of the packages.
"""

from notos.debian import base_folders
from notos.debian.deb import Attributes
from notos.formats.tree import File, Tree
from notos.integration import accounts
from notos.integration.model import Context

# The last file by name: a line of a package or of a maintainer script wins.
TMPFILES = "usr/lib/tmpfiles.d/zz-packages.conf"
AREAS = ("var/", "srv/")


def apply(tree: Tree, context: Context) -> None:
    """Add the folders of whole packages to `tree`, as lines of tmpfiles.d(5)."""
    known = set(accounts.declared(tree, context))
    lines = []
    for path in sorted(context.folders - base_folders.PATHS - base_folders.LINKS.keys()):
        if path.startswith(AREAS) and not path.startswith(("var/run/", "var/lock/")):
            mode, owner, group = owned(context.attributes.get(path, Attributes(0o755)), known)
            quoted = "".join({"\\": "\\\\", '"': '\\"', "%": "%%"}.get(letter, letter) for letter in path)
            lines.append(f'd "/{quoted}" {mode} {owner} {group}\n')
    if lines:
        tree.replace(TMPFILES, File("".join(lines).encode()))


def owned(attributes: Attributes, known: set[str]) -> tuple[str, str, str]:
    """Return mode, owner and group; root in place of an account that is not `known` (accounts.declared)."""
    owner = attributes.owner if attributes.owner in known or attributes.owner.isdigit() else "root"
    group = attributes.group if f"group {attributes.group}" in known or attributes.group.isdigit() else "root"
    return f"{attributes.mode:04o}", owner, group

"""/etc/machine-id (machine-id(5)), if a package's script would create it.

The number belongs to one machine, so it is in no image: the activation creates it in /var/lib, to which the
file is a link here. With a disk it stays the same.
"""

from notos.formats.tree import Tree
from notos.integration.model import Context

COMMANDS = ("dbus-uuidgen", "systemd-machine-id-setup")
PATH = "etc/machine-id"
TARGET = "/var/lib/notos/machine-id"


def apply(tree: Tree, context: Context) -> None:
    """Add the link to `tree`."""
    if PATH not in tree and any(True for _ in context.calls(*COMMANDS)):
        tree.symlink(PATH, TARGET)

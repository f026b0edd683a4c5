"""Dropbear, a small ssh server."""

from notos.config.model import Glob, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.features.model import Feature, Script, Service

KEYS = ()
CHECKS: Checks = {}

_SERVER = Feature(
    packages=(
        Package(
            name=PackageName("dropbear-bin"), only=(Glob("usr/sbin/dropbear"), Glob("usr/bin/dropbear*"))
        ),
    ),
    scripts=(Script(path="boot/50-ssh-host-key-dropbear"),),
    services=(Service(name="sshd", folder="sshd-dropbear"),),
)


def feature(machine: Machine) -> Feature:
    """Return the server if the config selects it."""
    return _SERVER if machine.ssh.server == "dropbear" else Feature()

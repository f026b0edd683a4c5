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
    scripts=(
        # One name for both, by which a switch runs it again.
        Script(path="boot/40-ssh-keys", source="boot/40-ssh-keys-dropbear"),
        Script(path="boot/50-ssh-host-key-dropbear"),
    ),
    services=(Service(name="sshd", folder="sshd-dropbear", log=True),),
)


def feature(machine: Machine) -> Feature:
    """Return the server if the config selects it."""
    return _SERVER if machine.ssh.server == "dropbear" else Feature()

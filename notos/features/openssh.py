"""OpenSSH's server."""

from notos.config.model import Glob, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.features.model import Copy, EtcFile, Feature, Script, Service

KEYS = ()
CHECKS: Checks = {}

_SERVER = Feature(
    packages=(
        # sshd uses its internal sftp server, and offers no key exchange that reads moduli.
        Package(name=PackageName("openssh-server"), exclude=(Glob("etc/ssh/moduli"),)),
        Package(name=PackageName("openssh-client"), only=(Glob("usr/bin/ssh-keygen"),)),
    ),
    scripts=(Script(path="boot/40-ssh-keys"), Script(path="boot/50-ssh-host-key-openssh")),
    services=(Service(name="sshd", folder="sshd-openssh", log=True),),
    etc=(EtcFile(path="ssh/sshd_config", content=Copy("ssh/sshd_config")),),
)


def feature(machine: Machine) -> Feature:
    """Return the server if the config selects it."""
    return _SERVER if machine.ssh.server == "openssh" else Feature()

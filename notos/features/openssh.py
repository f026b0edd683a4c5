"""OpenSSH's server."""

from dataclasses import replace

from notos.config.model import Glob, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.debian.suites import OLD, ONE_OPENSSH
from notos.features import locale
from notos.features.model import Copy, EtcFile, Feature, Script, Service, Text

KEYS = ()
CHECKS: Checks = {}

_SERVER = Feature(
    packages=(
        # sshd uses its internal sftp server, and offers no key exchange that reads moduli.
        Package(name=PackageName("openssh-server"), exclude=(Glob("etc/ssh/moduli"),)),
    ),
    scripts=(Script(path="boot/40-ssh-keys"), Script(path="boot/50-ssh-host-key-openssh")),
    services=(Service(name="sshd", folder="sshd-openssh", log=True),),
    etc=(EtcFile(path="ssh/sshd_config", content=Copy("ssh/sshd_config")),),
)
# The last file by name: sshd uses the first SetEnv, which may be the config's.
_LOCALE = "ssh/sshd_config.d/zz-locale.conf"
_ACCOUNTS = {"openssh-server.conf": 'u sshd -:nogroup "sshd user" /run/sshd\n'}  # as in newer packages


def feature(machine: Machine) -> Feature:
    """Return the server if the config selects it."""
    if machine.ssh.server != "openssh":
        return Feature()
    suite = machine.debian.suite
    is_one = suite in ONE_OPENSSH or machine.debian.distribution == "ubuntu"
    keygen = PackageName("openssh-client" if is_one else "openssh-common")
    return replace(
        _SERVER,
        packages=(*_SERVER.packages, Package(name=keygen, only=(Glob("usr/bin/ssh-keygen"),))),
        etc=(*_SERVER.etc, EtcFile(path=_LOCALE, content=Text(f"SetEnv LANG={locale.lang(machine)}\n"))),
        accounts=_ACCOUNTS if suite in OLD or machine.debian.distribution == "ubuntu" else {},
    )

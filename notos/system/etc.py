"""The machine's whole /etc as a tree: packages' defaults, accounts, what the config says.

It is mounted read-only below a writable overlay, so what a store object cannot hold (a mode other
than 0444 and 0555) is listed beside it, for activation to set.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from notos import errors
from notos.config.model import Machine
from notos.errors import NotosError
from notos.formats.tree import Directory, File, Tree
from notos.system import ca_bundle, nix, sysusers

PLAIN, EXECUTABLE = {"0444", "0644"}, {"0555", "0755"}  # what a store object can hold
STATE = ("reboot", "stopit")  # in /etc/runit; runit-init sets their modes to tell runit how to end (runit(8))
POWER_BUTTON = "acpi/PWRF/00000080"  # what busybox' acpid runs when it is pressed
MODES = {"shadow": "0600", "gshadow": "0600"}


@dataclass(frozen=True)
class Etc:
    """The tree of /etc, and the modes that it should have where a store object cannot say so."""

    tree: Tree
    modes: Mapping[str, str]  # octal digits by path below /etc


def build(
    machine: Machine, *, system: Tree, system_path: str, runit: Tree, runit_path: str, own: Tree
) -> Etc:
    """/etc of `machine`.

    `system` is system-path's tree and `system_path` its store path, `runit` and `runit_path` those of
    the runit object; `own` has the files of scripts/stage2/etc. Later ones win: packages, Notos, the
    config. Raises NotosError where a file of the config is in the place of a folder or below a file, and
    where a package's sysusers.d cannot be read.
    """
    tree = Tree()
    for path, entry in system.items():
        if path.startswith("etc/") and not isinstance(entry, Directory):
            tree.symlink(path.removeprefix("etc/"), f"{system_path}/{path}")
    if POWER_BUTTON not in tree:
        tree.symlink(POWER_BUTTON, "/usr/sbin/poweroff")
    for path, content in [*_own(own, machine), *_generated(machine, system)]:
        tree.replace(path, File(content))
    modes = dict(MODES)
    errors.raise_all(_misplaced(machine, tree))
    for name, file in machine.etc.items():
        tree.replace(str(name), File(_content(file.text, file.source), executable=file.mode in EXECUTABLE))
        if file.mode not in PLAIN | EXECUTABLE:
            modes[name] = file.mode
    for account_file, text in _accounts(machine, system, tree).items():
        tree.replace(account_file, File(text.encode()))
    for part in runit.children()[""]:
        tree.symlink(f"runit/{part}", f"{runit_path}/{part}")
    for state in STATE:
        tree.text(f"runit/{state}", "")
    tree.symlink("service", "/run/service")
    tree.symlink("mtab", "/proc/self/mounts")
    return Etc(tree, modes)


def _misplaced(machine: Machine, tree: Tree) -> Iterator[NotosError]:
    """Yield what is wrong with the place of each of the config's files in `tree`, which has all others."""
    for path in machine.etc:
        keys = ("etc", str(path))
        if isinstance(tree.get(path), Directory):
            (first, *_) = sorted(name for name, _ in tree.items() if name.startswith(f"{path}/"))
            yield NotosError(
                f"/etc/{path} is a folder, with {first.rpartition('/')[2]} and others in it",
                hint=f"name a file in it: {path}/NAME",
                keys=keys,
            )
        parts = path.split("/")
        for above in ("/".join(parts[:length]) for length in range(1, len(parts))):
            if above in tree and not isinstance(tree.get(above), Directory):
                yield NotosError(
                    f"/etc/{path} lies below /etc/{above}, which is a file",
                    hint="name the file otherwise",
                    keys=keys,
                )


def texts(tree: Tree, system: Tree, folder: str) -> dict[str, str]:
    """The *.conf files of `folder` (sysusers.d, tmpfiles.d) by name; /etc's go before /usr/lib's."""
    found = {}
    for prefix, source in ((f"lib/{folder}/", system), (f"{folder}/", tree)):
        for path, entry in source.items():
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and name.endswith(".conf") and isinstance(entry, File):
                found[name] = entry.read().decode()
    return found


def _accounts(machine: Machine, system: Tree, tree: Tree) -> dict[str, str]:
    lines = texts(tree, system, "sysusers.d")
    if machine.nix.enable:
        lines["nixbld.conf"] = nix.users(machine.nix.build_users)
    if machine.time_servers:
        lines.setdefault("chrony.conf", 'u _chrony - "Chrony daemon" /var/lib/chrony\n')
    shell = "/bin/bash" if "bin/bash" in system else "/bin/sh"
    passwd = _base(system, "passwd").replace(":/root:/bin/bash", f":/root:{shell}")
    made = sysusers.accounts(lines, passwd=passwd, group=_base(system, "group"))
    return {"passwd": made.passwd, "group": made.group, "shadow": made.shadow, "gshadow": made.gshadow}


def _base(system: Tree, name: str) -> str:
    entry = system.get(f"share/base-passwd/{name}.master")
    assert isinstance(entry, File), "every machine has base-passwd"
    return entry.read().decode()


def _own(own: Tree, machine: Machine) -> Iterator[tuple[str, bytes | Path]]:
    for path, entry in own.items():
        wanted = (not path.startswith("ssh/") or machine.ssh.server == "openssh") and (
            path not in nix.OWN or machine.nix.enable
        )
        if isinstance(entry, File) and wanted:
            yield path, entry.content


def _generated(machine: Machine, system: Tree) -> Iterator[tuple[str, bytes | Path]]:
    """The files that the config and the packages together make."""
    name = machine.hostname
    yield "hostname", f"{name}\n".encode()
    yield "hosts", f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n".encode()
    yield "os-release", _os_release(machine).encode()
    yield "shells", _shells(system).encode()
    yield "resolv.conf", "".join(f"nameserver {each}\n" for each in machine.network.dns).encode()
    if machine.ssh.authorized_keys:
        yield (
            "ssh/authorized_keys.d/root",
            "".join(f"{each}\n" for each in machine.ssh.authorized_keys).encode(),
        )
    if machine.nix.enable:
        yield "nix/nix.conf", nix.conf(machine, system).encode()
    bundle = ca_bundle.bundle(system)
    if bundle:
        yield "ssl/certs/ca-certificates.crt", bundle.encode()


def _os_release(machine: Machine) -> str:
    return f'NAME=Notos\nID=notos\nID_LIKE=debian\nPRETTY_NAME="Notos ({machine.debian.suite})"\n'


def _shells(system: Tree) -> str:
    known = [name for name in ("sh", "ash", "bash", "dash") if f"bin/{name}" in system]
    return "".join(f"/bin/{name}\n" for name in known)


def _content(text: str | None, source: str | None) -> bytes | Path:
    if source is not None:
        return Path(source)
    assert text is not None, "config.py sees to it that a file has a text or a source"
    return text.encode()

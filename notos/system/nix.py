"""Nix inside the machine: its configuration, what its sandbox is made of, and its builders' accounts.

What of it is a plain file (the environment, the roots of its garbage collector) stands in
scripts/stage2/etc; runit/services/nix-daemon starts it.
"""

from collections.abc import Iterator

from notos.architecture import Architecture
from notos.config.model import Machine
from notos.formats import shared_libraries
from notos.formats.tree import File, Tree

# The builders' group (nix.conf(5), build-users-group), with the number that Nix's installer gives it.
GROUP = ("nixbld", 30000)
SHELL = "bin/busybox"  # of system-path; the sandbox's /bin/sh
OWN = ("profile.d/nix.sh", "tmpfiles.d/nix.conf")  # what of scripts/stage2/etc is only for it


def users(count: int) -> str:
    """The sysusers.d lines of `count` builders."""
    name, gid = GROUP
    lines = [f"g {name} {gid}"]
    for number in range(1, count + 1):
        user = f"{name}{number}"
        lines += [
            f'u {user} {gid + number}:{name} "Nix build user {number}" /var/empty /usr/sbin/nologin',
            f"m {user} {name}",
        ]
    return "\n".join(lines) + "\n"


def conf(machine: Machine, system: Tree) -> str:
    """nix.conf: defaults for a machine without a network to wait for, then the config's settings.

    `system` is system-path's tree. Raises ClosureError if it lacks a library of the sandbox's shell.
    """
    settings: dict[str, str] = {
        "build-users-group": GROUP[0],
        "experimental-features": "nix-command flakes",
        "flake-registry": "",
        "max-jobs": "auto",
        "nix-path": "",
        "sandbox-fallback": "false",
        "sandbox-paths": " ".join(_sandbox_paths(system, machine.target)),
        "substituters": "",
        "trusted-users": "root",
    }
    if machine.disk is not None:
        # What the database calls valid has reached the drive, also where the machine is cut off;
        # fsync-store-paths would leave out what is built (Nix 2.26).
        settings["sync-before-registering"] = "true"
    for key, value in machine.nix.settings.items():
        settings[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(f"{key} = {value}".rstrip() + "\n" for key, value in sorted(settings.items()))


def _sandbox_paths(system: Tree, target: Architecture) -> Iterator[str]:
    """The shell and just the libraries that it is linked against (nix.conf(5), sandbox-paths).

    They are named through /usr: for a path in the store Nix would bring its closure, which is the
    whole of system-path.
    """
    yield f"/bin/sh=/usr/{SHELL}"
    usr = Tree()
    for path, entry in system.items():
        usr.add(f"usr/{path}", entry)
    for soname, path in sorted(shared_libraries.closure(usr, [f"usr/{SHELL}"], target).items()):
        # The loader at the path that programs name, the others where it looks.
        inside = target.loader if soname == target.loader_name else f"/{target.libraries}/{soname}"
        assert isinstance(usr.get(path), File), "a link would lead nowhere in the sandbox"
        yield inside if inside == f"/{path}" else f"{inside}=/{path}"

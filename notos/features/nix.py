"""Nix in the machine: packages, configuration, the sandbox's shell, accounts of builders."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from notos.architecture import Architecture
from notos.config.model import Machine, Package, PackageName
from notos.config.reader import Checks
from notos.features.model import Computed, Copy, EtcFile, Feature, RemoteBuilder, Service
from notos.kernel.requirements import Requirement

if TYPE_CHECKING:
    from notos.formats.tree import Tree

KEYS = ("nix",)
CHECKS: Checks = {}

# The builders' group (nix.conf(5), build-users-group), with the same number as in Nix's installer.
GROUP = ("nixbld", 30000)
SHELL = "bin/busybox"  # of system-path; the sandbox's /bin/sh

_REQUIREMENTS = tuple(
    Requirement(symbol, "for Nix's sandbox", keys=("nix", "enable"))
    for symbol in ("NAMESPACES", "USER_NS", "PID_NS", "NET_NS", "SECCOMP_FILTER")
)
_MEMORY = 16  # MiB, measured: the daemon, and loading the registration


def feature(machine: Machine) -> Feature:
    """Return Nix and its daemon, if enabled."""
    if not machine.nix.enable:
        return Feature()
    arguments = {"settings": settings(machine), "target": machine.target}
    return Feature(
        packages=(Package(name=PackageName("nix-bin")), Package(name=PackageName("ca-certificates"))),
        requirements=_REQUIREMENTS,
        services=(Service(name="nix-daemon", folder="nix-daemon"),),
        etc=(
            EtcFile(path="nix/nix.conf", content=Computed(conf, arguments)),
            *(EtcFile(path=path, content=Copy(path)) for path in ("profile.d/nix.sh", "tmpfiles.d/nix.conf")),
        ),
        accounts={"nixbld.conf": users(machine.nix.build_users)},
        memory=_MEMORY,
        remote_builder=RemoteBuilder(
            host=machine.hostname, system=machine.target.nix, settings=_own(machine)
        ),
        reserved_services={"nix-daemon": "nix.enable: false"},
    )


def users(count: int) -> str:
    """Return sysusers.d lines for `count` builders."""
    name, gid = GROUP
    lines = [f"g {name} {gid}"]
    for number in range(1, count + 1):
        user = f"{name}{number}"
        lines += [
            f'u {user} {gid + number}:{name} "Nix build user {number}" /var/empty /usr/sbin/nologin',
            f"m {user} {name}",
        ]
    return "\n".join(lines) + "\n"


def settings(machine: Machine) -> dict[str, str]:
    """Return nix.conf's settings: defaults for a machine without a network, then the config's."""
    found = {
        "build-users-group": GROUP[0],
        "experimental-features": "nix-command flakes",
        "flake-registry": "",
        "max-jobs": "auto",
        "nix-path": "",
        "sandbox-fallback": "false",
        "substituters": "",
        "trusted-users": "root",
    }
    if machine.disk is not None:
        # Sync paths to the drive before the database lists them as valid, so that a power cut loses none;
        # fsync-store-paths would not cover build results (Nix 2.26).
        found["sync-before-registering"] = "true"
    return found | _own(machine)


def _own(machine: Machine) -> dict[str, str]:
    """Return the settings of the config in the form of nix.conf."""
    return {
        str(key): str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in machine.nix.settings.items()
    }


def conf(system: "Tree", settings: Mapping[str, str], target: Architecture) -> str:
    """Return nix.conf with `settings`; by default, sandbox-paths is the sandbox's shell.

    `system` is system-path's tree, of programs for `target`. Raises ClosureError if it lacks a library of
    the shell.
    """
    found = {"sandbox-paths": " ".join(_sandbox_paths(system, target)), **settings}
    return "".join(f"{key} = {value}".rstrip() + "\n" for key, value in sorted(found.items()))


def _sandbox_paths(system: "Tree", target: Architecture) -> Iterator[str]:
    """Yield the shell and the libraries that it is linked against (nix.conf(5), sandbox-paths).

    The paths start with /usr: for a store path Nix would add its closure, which is all of system-path.
    """
    from notos.formats import shared_libraries
    from notos.formats.tree import File

    yield f"/bin/sh=/usr/{SHELL}"
    root = system.as_usr()
    for soname, path in sorted(shared_libraries.closure(root, [f"usr/{SHELL}"], target).items()):
        # The loader at the path that programs name, the others in the loader's search path.
        inside = target.loader if soname == target.loader_name else f"/{target.libraries}/{soname}"
        assert isinstance(root.get(path), File), "a link would be dangling in the sandbox"
        yield inside if inside == f"/{path}" else f"{inside}=/{path}"

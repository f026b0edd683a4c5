"""A machine as a remote builder of Nix on this host: its `builders` line (nix.conf(5)) and ssh options.

Nix runs the ssh in its PATH; both are passed to it in environment variables.
"""

import base64
import re
import shlex

from notos.cache import Cache
from notos.config.model import Machine
from notos.errors import ConfigError, ToolError
from notos.features.model import Features, RemoteBuilder
from notos.live import ssh_key
from notos.live.ssh_key import Address

FEATURES = "benchmark big-parallel nixos-test"  # Nix's default for system-features without KVM


def shell(machine: Machine, features: Features, cache: Cache, address: Address, earlier: str = "") -> str:
    """Return shell commands that make `machine`, at `address`, a builder for Nix.

    `earlier` is the present value of NIX_CONFIG, whose other settings are kept.
    Raises ConfigError for a machine that cannot be a builder, and ToolError.
    """
    builder = features.remote_builder
    if builder is None:
        raise ConfigError(
            f"the machine {machine.name} has no Nix", hint="write nix: {enable: true} in the config"
        )
    if not features.login:
        raise ConfigError(
            f"the machine {machine.name} has no ssh server", hint="write ssh: {server: openssh} in the config"
        )
    variables = {
        "NIX_CONFIG": "\n".join([*_others(earlier), f"builders = {_line(builder, machine.vm.cpus, cache)}"]),
        "NIX_SSHOPTS": " ".join(_options(builder, address)),
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _others(earlier: str) -> list[str]:
    return [line for line in earlier.splitlines() if line.partition("=")[0].strip() != "builders"]


def _line(builder: RemoteBuilder, processors: int, cache: Cache) -> str:
    """Return the machine's entry in `builders`: URL, systems, key, jobs, speed, features, - and host key."""
    login, host = ssh_key.pair(cache)
    if found := re.search(r"[\s;#]", str(login)):
        raise ToolError(
            f"Nix does not accept {found[0]!r} in a path: {login}", hint="set NOTOS_CACHE to another folder"
        )
    settings = builder.settings
    jobs = settings.get("max-jobs", "auto")
    fields = (
        # Use the daemon, which waits until the database has the system: root's Nix would open the store
        # directly, and a garbage collection before that would delete the running system.
        f"ssh-ng://root@{builder.host}?remote-store=daemon",
        [builder.system, *settings.get("extra-platforms", "").split()],
        str(login),
        str(processors) if jobs == "auto" else jobs,
        "1",
        settings.get("system-features", FEATURES).split(),
        "-",
        base64.b64encode(host.encode()).decode(),
    )
    return " ".join(each if isinstance(each, str) else ",".join(each) or "-" for each in fields)


def _options(builder: RemoteBuilder, address: Address) -> list[str]:
    """Return the ssh options that map the machine's name to its address: Nix 2.26 accepts no port there."""
    name = builder.host
    return [
        *("-F", "none", "-p", address.port, "-o", f"HostName={address.host or ssh_key.LOCAL}"),
        # Nix writes a known_hosts with this name; without the alias ssh would look up address and port.
        *("-o", f"HostKeyAlias={name}", "-o", "StrictHostKeyChecking=yes"),
        # Do not offer an agent's keys first: a server disconnects after several wrong ones.
        *("-o", "IdentitiesOnly=yes"),
    ]

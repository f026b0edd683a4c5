"""What has Nix on this host build in a machine: its `builders` (nix.conf(5)) and the words for its ssh.

Nix runs the ssh of its PATH by itself, told by variables of the environment.
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

SYSTEM = "x86_64-linux"
FEATURES = "benchmark big-parallel nixos-test"  # Nix's default of system-features where there is no KVM


def shell(machine: Machine, features: Features, cache: Cache, address: Address, earlier: str = "") -> str:
    """Return shell commands by which Nix builds in `machine`, at `address`; `earlier` is NIX_CONFIG so far.

    Raises ConfigError for a machine that cannot be a builder, and ToolError.
    """
    builder = features.remote_builder
    if builder is None:
        raise ConfigError(
            f"the machine {machine.name} has no Nix", hint="say nix: {enable: true} in the config"
        )
    if not features.login:
        raise ConfigError(
            f"the machine {machine.name} has no ssh server", hint="say ssh: {server: openssh} in the config"
        )
    variables = {
        "NIX_CONFIG": "\n".join([*_others(earlier), f"builders = {_line(builder, machine.vm.cpus, cache)}"]),
        "NIX_SSHOPTS": " ".join(_options(builder, address)),
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _others(earlier: str) -> list[str]:
    return [line for line in earlier.splitlines() if line.partition("=")[0].strip() != "builders"]


def _line(builder: RemoteBuilder, processors: int, cache: Cache) -> str:
    """Return its line of `builders`: address, systems, key, jobs, speed, features, - and its host key."""
    login, host = ssh_key.pair(cache)
    if found := re.search(r"[\s;#]", str(login)):
        raise ToolError(
            f"Nix takes no path with {found[0]!r} in it, as in {login}", hint="have NOTOS_CACHE be another"
        )
    settings = builder.settings
    jobs = settings.get("max-jobs", "auto")
    fields = (
        # Through the daemon, which waits until the database knows the system: root's Nix would open the
        # store itself, and garbage that it collects before that is the running system.
        f"ssh-ng://root@{builder.host}?remote-store=daemon",
        [SYSTEM, *settings.get("extra-platforms", "").split()],
        str(login),
        str(processors) if jobs == "auto" else jobs,
        "1",
        settings.get("system-features", FEATURES).split(),
        "-",
        base64.b64encode(host.encode()).decode(),
    )
    return " ".join(each if isinstance(each, str) else ",".join(each) or "-" for each in fields)


def _options(builder: RemoteBuilder, address: Address) -> list[str]:
    """Return how ssh finds the machine by its name: Nix 2.26 takes no port in an address."""
    name = builder.host
    return [
        *("-F", "none", "-p", address.port, "-o", f"HostName={address.host or ssh_key.LOCAL}"),
        # Nix writes a known_hosts with this name, in which ssh would look for the address and the port.
        *("-o", f"HostKeyAlias={name}", "-o", "StrictHostKeyChecking=yes"),
        # A server hangs up when an agent has offered many keys before.
        *("-o", "IdentitiesOnly=yes"),
    ]

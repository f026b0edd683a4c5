"""The kernel's settings below /proc/sys."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from notos.config.model import Machine, SysctlName
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place
from notos.features.interfaces import interfaces
from notos.features.model import Feature, Script
from notos.kernel.requirements import Requirement

KEYS = ("sysctl",)

# The folders of /proc/sys that kernels have (kernel documentation, admin-guide/sysctl).
_FOLDERS = ("abi", "crypto", "debug", "dev", "fs", "kernel", "net", "sunrpc", "user", "vm", "xen")
# Changing it sets other settings to their defaults (kernel documentation, ip-sysctl), so it comes first.
_FIRST = "net/ipv4/ip_forward"
# Settings that a module has, by the beginning of their path: the kernel's symbol and the module.
_MODULES = {
    "net/bridge/": ("BRIDGE_NETFILTER", "br_netfilter"),
    "net/netfilter/nf_conntrack": ("NF_CONNTRACK", "nf_conntrack"),
    "sunrpc/": ("SUNRPC", "sunrpc"),
}
_IPV6 = "net/ipv6/"
# Of Debian's package linux-sysctl-defaults: every user may ping.
_DEFAULTS = {"net/ipv4/ping_group_range": "0 2147483647"}


def feature(machine: Machine) -> Feature:
    """Return the boot fragment that writes the settings, and the modules that have them."""
    settings = early(machine)
    modules, requirements = [], []
    for prefix, (symbol, module) in _MODULES.items():
        if name := next((name for name in machine.sysctl if path(name).startswith(prefix)), None):
            modules.append(module)
            requirements.append(
                Requirement(symbol, f"for `sysctl.{name}`", module, early=False, keys=("sysctl", name))
            )
    text = "\n".join(f"{path} {value}" for path, value in settings.items())
    script = Script(path="boot/06-sysctl", values={"modules": modules, "settings": text})
    return Feature(requirements=tuple(requirements), scripts=(script,))


def path(name: str) -> str:
    """Return the path below /proc/sys of a setting: the first separator decides, as in sysctl.d(5)."""
    if name.find("/") != -1 and (name.find(".") == -1 or name.index("/") < name.index(".")):
        return name
    return name.translate(str.maketrans("./", "/."))


def early(machine: Machine) -> Mapping[str, str]:
    """Return the settings that the boot writes before it configures the network, by path.

    Those for a pattern come before others, which so replace them (sysctl.d(5)).
    """
    made = _made(machine)
    found = _settings(machine)
    first = {_FIRST: found[_FIRST]} if _FIRST in found else {}
    patterns = {each: value for each, value in found.items() if "*" in each}
    others = {each: value for each, value in found.items() if not made & set(each.split("/"))}
    return {**first, **_DEFAULTS, **patterns, **others}


def late(machine: Machine) -> Mapping[str, str]:
    """Return the settings of interfaces that the network's fragment creates, by path."""
    made = sorted(_made(machine))
    found = _settings(machine)
    matching = {
        "/".join([*parts[:place], name, *parts[place + 1 :]]): value
        for each, value in found.items()
        for parts in (each.split("/"),)
        for place, part in enumerate(parts)
        if "*" in part and parts[0] == "net"
        for name in made
        if fnmatchcase(name, part)
    }
    own = {each: value for each, value in found.items() if set(made) & set(each.split("/"))}
    return {**matching, **own}


def _settings(machine: Machine) -> dict[str, str]:
    return {path(name): _text(value) for name, value in machine.sysctl.items()}


def _made(machine: Machine) -> set[str]:
    return {each.name for each in interfaces(machine.network) if each.made}


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    first: dict[str, SysctlName] = {}
    for name, value in machine.sysctl.items():
        place = key_place(node, "sysctl", name)
        where = path(name)
        if (other := first.setdefault(where, name)) != name:
            seen = key_place(node, "sysctl", other).seen_from(place)
            yield Problem(f"sysctl.{name} is the same setting as sysctl.{other}, {seen}", place)
        if where.partition("/")[0] not in _FOLDERS:
            from notos.config.scalars import did_you_mean

            advice = did_you_mean(where.partition("/")[0], _FOLDERS) or _below(where)
            yield Problem(
                f"sysctl.{name}: the kernel has no folder /proc/sys/{where.partition('/')[0]}{advice}", place
            )
        if not str(value).strip():
            yield Problem(f"sysctl.{name} is empty; give it a value", place)
        if fnmatchcase("kernel/modprobe", where):
            which = f", which sysctl.{name} matches," if "*" in where else ""
            yield Problem(f"sysctl.kernel.modprobe{which} is set by Notos, to report missing modules", place)


def _below(where: str) -> str:
    """Return advice for a path without its first folder, such as ipv4/ip_forward."""
    top = where.partition("/")[0]
    return f'; did you mean "net.{where.replace("/", ".")}"?' if top in ("ipv4", "ipv6", "core") else ""


CHECKS: Checks = {Machine: _problems}

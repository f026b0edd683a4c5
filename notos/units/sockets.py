"""Socket units (systemd.socket(5)): the listeners of a service, as lines of its plan."""

import ipaddress
import re
from collections.abc import Callable, Mapping

from notos.errors import NotosError
from notos.units import unit_names, values
from notos.units.commands import SEARCHED, Exists, commands
from notos.units.execution import account
from notos.units.paths import absolute
from notos.units.plan import Plan
from notos.units.section import Section, choice
from notos.units.unit_files import UnitFile, UnitFiles
from notos.units.unit_text import Setting

_LISTEN = {
    **{"ListenStream": "stream", "ListenDatagram": "datagram", "ListenSequentialPacket": "sequential"},
    **{"ListenFIFO": "fifo", "ListenSpecial": "special", "ListenNetlink": "netlink"},
}
_TOS = {"low-delay": 16, "throughput": 8, "reliability": 4, "low-cost": 2}
_NETLINK = (
    *("route", "firewall", "inet-diag", "nflog", "xfrm", "selinux", "iscsi", "audit", "fib-lookup"),
    *("connector", "netfilter", "ip6-fw", "dnrtmsg", "kobject-uevent", "generic", "scsitransport"),
    *("ecryptfs", "rdma"),
)
_NAME = re.compile(r"[ -9;-~]{1,255}")  # of a file descriptor: no colon, no control characters
Parser = Callable[[str], str]


def _yes(text: str) -> str:
    return "yes" if values.boolean(text) else ""


def _seconds(text: str) -> str:
    microseconds = values.time(text)
    return "" if not microseconds else str(-(-microseconds // 1_000_000))


def _number(least: int, most: int) -> Parser:
    return lambda text: str(values.integer(text, least, most))


def _tos(text: str) -> str:
    return str(_TOS[text] if text in _TOS else values.integer(text, 0, 255))


def _both(text: str) -> str:
    """Return BindIPv6Only=, for which a boolean is another form."""
    try:
        return "ipv6-only" if values.boolean(text) else "both"
    except ValueError:
        return choice("default", "both", "ipv6-only")(text)


def _timestamps(text: str) -> str:
    known = {"off": "", "us": "us", "usec": "us", "µs": "us", "ns": "ns", "nsec": "ns"}
    if text in known:
        return known[text]
    return "us" if values.boolean(text) else ""


# Options of listeners: the plan's name and the parser; an empty text is the default.
_OPTIONS: Mapping[str, tuple[str, Parser]] = {
    "SocketMode": ("mode", lambda text: f"{values.mode(text):o}"),
    "DirectoryMode": ("dirmode", lambda text: f"{values.mode(text):o}"),
    "Backlog": ("backlog", _number(0, 2**32 - 1)),
    "BindIPv6Only": ("v6only", _both),
    "FreeBind": ("freebind", _yes),
    "Transparent": ("transparent", _yes),
    "Broadcast": ("broadcast", _yes),
    "ReusePort": ("reuseport", _yes),
    "KeepAlive": ("keepalive", _yes),
    "KeepAliveTimeSec": ("keepalivetime", _seconds),
    "KeepAliveIntervalSec": ("keepaliveinterval", _seconds),
    "KeepAliveProbes": ("keepaliveprobes", _number(0, 2**31 - 1)),
    "NoDelay": ("nodelay", _yes),
    "DeferAcceptSec": ("deferaccept", _seconds),
    "Priority": ("priority", _number(-(2**31), 2**31 - 1)),
    "ReceiveBuffer": ("rcvbuf", lambda text: str(values.size(text))),
    "SendBuffer": ("sndbuf", lambda text: str(values.size(text))),
    "IPTOS": ("tos", _tos),
    "IPTTL": ("ttl", _number(0, 255)),
    "Mark": ("mark", _number(-(2**31), 2**32 - 1)),
    "PassCredentials": ("passcred", _yes),
    "PassSecurity": ("passsec", _yes),
    "PassPacketInfo": ("passpktinfo", _yes),
    "Timestamping": ("timestamping", _timestamps),
    "PipeSize": ("pipesize", lambda text: str(values.size(text))),
    "Writable": ("writable", _yes),
    "RemoveOnStop": ("removeonstop", _yes),
    "SocketProtocol": ("protocol", choice("udplite", "sctp", "mptcp")),
    "TCPCongestion": ("congestion", str),
}
_EXPANDED = {"SocketUser": "user", "SocketGroup": "group"}


def service_of(socket: UnitFile) -> str:
    """Return the name of the service that a socket starts: its own with another type, or Service=."""
    settings = socket.sections.get("Socket", ())
    named = [each.value for each in settings if each.key == "Service"]
    if named and named[-1]:
        return named[-1].replace("%i", unit_names.instance(socket.name))
    accepts = [each.value for each in settings if each.key == "Accept"]
    if accepts and accepts[-1].lower() in ("1", "yes", "y", "true", "t", "on"):
        return f"{unit_names.prefix(socket.name)}@.service"
    return unit_names.with_kind(socket.name, "service")


def sockets_of(unit: UnitFile, files: UnitFiles) -> tuple[str, ...]:
    """Return the names of the sockets whose listeners a service takes over.

    These are the sockets of Sockets=, and those that the service requires or enables with itself (Also=).
    A service that no target wants is started by the socket of its own name.
    """
    named = [
        *_words(unit, "Service", "Sockets"),
        *_words(unit, "Unit", "Requires", "BindsTo", "Wants", "Requisite"),
        *_words(unit, "Install", "Also"),
    ]
    if not _words(unit, "Install", "WantedBy", "RequiredBy", "UpheldBy", "Alias"):
        named.append(unit_names.with_kind(unit.name, "socket"))
    always = _words(unit, "Service", "Sockets")
    found = []
    for name in dict.fromkeys(named):
        if unit_names.kind(name) != "socket" or not files.exists(name):
            continue
        try:
            starts = service_of(files.load(name))
        except NotosError:
            continue
        if name in always or files.canonical(starts) in (unit.name, files.canonical(unit.name)):
            found.append(files.canonical(name))
    return tuple(dict.fromkeys(found))


def _words(unit: UnitFile, section: str, *keys: str) -> list[str]:
    """Return the words of some keys, with the specifiers that names of units usually have."""
    name = unit.name
    values_ = {"%i": unit_names.instance(name), "%p": unit_names.prefix(name), "%N": unit_names.stem(name)}
    found = []
    for each in unit.sections.get(section, ()):
        if each.key in keys:
            for word in each.value.split():
                for specifier, value in values_.items():
                    word = word.replace(specifier, value)  # noqa: PLW2901
                found.append(word)
    return found


class Socket:
    """The settings of [Socket], as lines of the service's plan."""

    def __init__(self, section: Section, name: str) -> None:
        self._section = section
        self._name = name
        self.accepts = bool(section.last(values.boolean, "Accept"))

    def add(self, plan: Plan, exists: Exists | None) -> None:
        """Add a line `listen` for each listener, and the socket's commands, which root runs."""
        section = self._section
        options = self._options()
        name = self._descriptor_name()
        listeners = [(each, self._address(each)) for each in section.all(*_LISTEN)]
        for setting, address in listeners:
            if address:
                plan.add("listen", _LISTEN[setting.key], address, name, *options)
        if not any(address for _, address in listeners):
            section.report.unit_error(f"its socket {self._name} has no valid Listen…=")
        most = section.last(lambda text: values.integer(text, 0, 2**32 - 1), "MaxConnections")
        if self.accepts:
            plan.add("accept", 64 if most is None else most)
        for keys, line in (("ExecStartPre", "pre"), ("ExecStartPost", "pre"), ("ExecStopPre", "stop")):
            self._run(plan, keys, line, exists)
        self._run(plan, "ExecStopPost", "stoppost", exists)

    @property
    def accounts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The users and the groups that own the sockets."""
        found = [self._section.setting(key) for key in _EXPANDED]
        users, groups = ((each.value,) if each else () for each in found)
        return users, groups

    def _run(self, plan: Plan, key: str, line: str, exists: Exists | None) -> None:
        for each in commands(self._section, key, exists, SEARCHED):
            plan.add(line, each.flags.replace("!", "").replace("+", "") + "+", each.program, *each.arguments)

    def _options(self) -> list[str]:
        section = self._section
        found = []
        for key, (name, parse) in _OPTIONS.items():
            value = section.last(parse, key)
            if value:
                found.append(f"{name}={value}")
        for key, name in _EXPANDED.items():
            setting = section.setting(key)
            text = section.expanded(setting, setting.value, fatal=True) if setting else None
            if setting and text is not None:
                try:
                    found.append(f"{name}={account(text)}")
                except ValueError as error:
                    section.report.error(setting, str(error))
        device = section.setting("BindToDevice")
        if device and (text := section.expanded(device, device.value)) and text != "*":
            found.append(f"bindtodevice={text}")
        for setting, text in section.expanded_words("Symlinks", unquote=True):
            path = section.checked_path(setting, text)
            if path:
                found.append(f"symlink={path}")
        return found

    def _descriptor_name(self) -> str:
        setting = self._section.setting("FileDescriptorName")
        text = self._section.expanded(setting, setting.value) if setting else ""
        if setting and text and not _NAME.fullmatch(text):
            self._section.report.ignored(setting, f"{text} is not the name of a file descriptor")
            text = ""
        return text or self._name

    def _address(self, setting: Setting) -> str:
        """Return the address of a listener, empty after a mistake."""
        text = self._section.expanded(setting, setting.value)
        if text is None:
            return ""
        try:
            if setting.key in ("ListenFIFO", "ListenSpecial"):
                return _run(absolute(text))
            if setting.key == "ListenNetlink":
                return _netlink(text)
            address = _socket_address(text)
            if setting.key == "ListenSequentialPacket" and address[0] not in "/@":
                raise ValueError(f"{text} is not a local socket")
        except ValueError as error:
            self._section.report.ignored(setting, str(error))
            return ""
        return address


def _run(path: str) -> str:
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _netlink(text: str) -> str:
    family, _, group = text.partition(" ")
    if family not in _NETLINK or (group and not group.strip().isdigit()):
        raise ValueError(f"{text} is not a netlink family and group")
    return text


def _short(name: str) -> str:
    """Return the name of a local socket, at most 107 bytes (unix(7)). Raises ValueError."""
    if len(name.encode("utf-8", "surrogateescape")) > 107:
        raise ValueError(f"{name} is too long for a socket")
    return name


def _socket_address(text: str) -> str:
    """Return an address as run-unit reads it. Raises ValueError."""
    if text.startswith("/"):
        path = _run(text)
        return _short(path)
    if text.startswith("@") and len(text) > 1:
        return _short(text)
    if match := re.fullmatch(r"vsock(?:-stream|-dgram|-seqpacket)?:(\d*):(\d+)", text, re.ASCII):
        # The key has the type of the socket.
        if max(int(match[1] or 0), int(match[2])) < 2**32:
            return f"vsock:{match[1]}:{match[2]}"
    elif re.fullmatch(r"\d+", text, re.ASCII) and 0 < int(text) < 65536:
        return text
    match = re.fullmatch(r"\[([0-9a-fA-F:.]+)\]:(\d+)(%[\w.-]+)?|([0-9.]+):(\d+)", text, re.ASCII)
    if match and 0 < int(match[2] or match[5]) < 65536:
        if match[1]:
            ipaddress.IPv6Address(match[1])
        else:
            ipaddress.IPv4Address(match[4])
        return text
    raise ValueError(f"{text} is not an address")

"""The sandbox of a service (systemd.exec(5), SANDBOXING and CAPABILITIES), except for system calls."""

from collections.abc import Callable

from notos.units import values
from notos.units.names import CAPABILITIES
from notos.units.paths import absolute
from notos.units.plan import Plan
from notos.units.section import Section, choice
from notos.units.unit_text import Setting
from notos.units.words import WordError, first_word, words

_PATHS = {
    **{"ReadOnlyPaths": "ro", "ReadWritePaths": "rw", "InaccessiblePaths": "hide"},
    **{"ExecPaths": "exec", "NoExecPaths": "noexec"},
}
_SWITCHES = {
    **{"PrivateDevices": "privatedevices", "PrivateNetwork": "privatenetwork", "PrivateIPC": "privateipc"},
    **{"ProtectKernelTunables": "protecttunables", "ProtectKernelModules": "protectmodules"},
    **{"ProtectKernelLogs": "protectlogs", "ProtectClock": "protectclock"},
    **{"ProtectHostname": "protecthostname", "MountAPIVFS": "mountapi", "PrivateMounts": "privatemounts"},
}
# Capabilities that a switch takes away.
_DROPPED = {
    "PrivateDevices": ("CAP_MKNOD", "CAP_SYS_RAWIO"),
    "ProtectKernelModules": ("CAP_SYS_MODULE",),
    "ProtectKernelLogs": ("CAP_SYSLOG",),
    "ProtectClock": ("CAP_SYS_TIME", "CAP_WAKE_ALARM"),
}
_SECURE_BITS = (
    *("keep-caps", "keep-caps-locked", "no-setuid-fixup", "no-setuid-fixup-locked", "noroot"),
    "noroot-locked",
)
_BY_NUMBER = {number: name for name, number in CAPABILITIES.items()}


def add(plan: Plan, section: Section, *, dynamic: bool) -> None:
    """Add the lines of the sandbox to the plan; `dynamic` is True for DynamicUser=yes."""
    capabilities(plan, section)
    if section.last(values.boolean, "NoNewPrivileges") or dynamic:
        plan.add("nnp", "yes")
    _words_and_numbers(plan, section)
    for key, line in _PATHS.items():
        _paths(plan, section, key, line)
    _binds(plan, section)
    _temporary(plan, section)
    for key, line in _SWITCHES.items():
        if section.last(values.boolean, key, resets=key in ("MountAPIVFS", "PrivateMounts")):
            plan.add(line, "yes")
    _protections(plan, section, dynamic=dynamic)
    _devices(plan, section)


def enabled(section: Section, key: str) -> bool:
    """Return True if a boolean key is on."""
    return bool(section.last(values.boolean, key))


def capabilities(plan: Plan, section: Section) -> None:
    """Add the bounding set, the ambient set and the secure bits."""
    everything = frozenset(CAPABILITIES.values())
    bounding = _set(section, "CapabilityBoundingSet", everything, None)
    for key, names in _DROPPED.items():
        if enabled(section, key):
            bounding = (everything if bounding is None else bounding) - {CAPABILITIES[name] for name in names}
    if bounding is not None and bounding != everything:
        plan.add("bounding", *_names(bounding))
    ambient = _set(section, "AmbientCapabilities", everything, frozenset())
    if ambient:
        plan.add("ambient", *_names(ambient))


def _set(
    section: Section, key: str, everything: frozenset[int], unset: frozenset[int] | None
) -> frozenset[int] | None:
    """Return a set of capabilities; `unset` if no setting changes it. A value may begin with ~."""
    found = unset
    for setting in section.every(key):
        inverted = setting.value.startswith("~")
        listed: set[int] = set()
        for word in setting.value.removeprefix("~").split():
            try:
                listed.add(values.capability(word))
            except ValueError as error:  # systemd ignores it without a warning
                if setting.own:
                    section.report.error(setting, str(error))
        chosen = frozenset(listed) & everything
        if not listed or found == unset or found is None:
            found = everything - chosen if inverted else chosen
        elif inverted:
            found -= chosen
        else:
            found |= chosen
    return found


def _names(numbers: frozenset[int]) -> list[str]:
    return [_BY_NUMBER[number] for number in sorted(numbers)]


def _words_and_numbers(plan: Plan, section: Section) -> None:
    bits: list[str] = []
    for setting in section.all("SecureBits"):
        for word in section.words(setting, unquote=True):
            if word in _SECURE_BITS:
                bits.append(word)
            else:
                section.report.ignored(setting, f"{word} is not a secure bit")
    if bits:
        plan.add("securebits", *dict.fromkeys(bits))
    keyring = section.last(choice("inherit", "private", "shared"), "KeyringMode")
    if keyring:
        plan.add("keyring", keyring)


def _or_boolean(*known: str, yes: str = "yes") -> Callable[[str], str]:
    """Return a parser of one of the words `known` or a boolean; "no" and `yes` stand for these."""

    def parse(text: str) -> str:
        if text in known:
            return text
        try:
            return yes if values.boolean(text) else "no"
        except ValueError:
            raise ValueError(f"not a boolean or one of {', '.join(known)}") from None

    return parse


def _paths(plan: Plan, section: Section, key: str, line: str) -> None:
    for setting in section.all(key):
        for word in section.words(setting, unquote=True):
            flags = "-" if word.startswith("-") else ""
            rest = word.removeprefix("-")
            flags += "+" if rest.startswith("+") else ""
            text = section.expanded(setting, rest.removeprefix("+"))
            path = section.checked_path(setting, text) if text is not None else ""
            if path:
                plan.add(line, flags, path)


def _binds(plan: Plan, section: Section) -> None:
    for setting in section.all("BindPaths", "BindReadOnlyPaths"):
        line = "bind" if setting.key == "BindPaths" else "bindro"
        for source, target, options in _bind_parts(section, setting):
            ignored = source.startswith("-")
            paths = [section.expanded(setting, each) for each in (source.removeprefix("-"), target)]
            if options not in ("", "rbind", "norbind"):
                section.report.ignored(setting, f"{options} is not an option of a bind mount")
                continue
            if None in paths:
                continue
            checked = [section.checked_path(setting, each or "") for each in paths]
            if not all(checked):
                continue
            kind = "norec" if options == "norbind" else "rec"
            plan.add(line, "-" if ignored else "", *checked, kind)


def _bind_parts(section: Section, setting: Setting) -> list[tuple[str, str, str]]:
    """Return source, destination (the source if absent) and options of each bind mount."""
    found: list[tuple[str, str, str]] = []
    rest: str | None = setting.value
    try:
        while rest:
            parts, given = ["", "", ""], 0
            for at in range(3):
                given = at + 1
                separators = " \t\n\r" if at == 2 else ": \t\n\r"
                before = rest or ""
                word, rest = first_word(before, separators, unquote=True, single=at < 2)
                parts[at] = word or ""
                used = before[: len(before) - len(rest)] if rest is not None else before
                if rest is None or not used.endswith(":"):
                    break
            if parts[0]:
                target = parts[1] if given > 1 else parts[0].removeprefix("-")
                found.append((parts[0], target, parts[2]))
    except WordError as error:
        section.report.ignored(setting, f"{setting.value}: {error}")
        return []
    return found


def _temporary(plan: Plan, section: Section) -> None:
    for setting in section.all("TemporaryFileSystem"):
        for word in section.words(setting, unquote=True):
            path, _, options = word.partition(":")
            text = section.expanded(setting, path)
            if text is not None and (checked := section.checked_path(setting, text)):
                plan.add("tmpfs", checked, options)


def _protections(plan: Plan, section: Section, *, dynamic: bool) -> None:
    system = section.last(_or_boolean("full", "strict"), "ProtectSystem")
    system = "strict" if dynamic else system
    home = section.last(_or_boolean("read-only", "tmpfs"), "ProtectHome") or "no"
    home = "read-only" if dynamic and home == "no" else home
    temporary = section.last(_or_boolean("disconnected", "connected", yes="connected"), "PrivateTmp") or "no"
    temporary = "disconnected" if dynamic and temporary == "no" else temporary
    users = section.last(_or_boolean("self", "identity", yes="self"), "PrivateUsers")
    groups = section.last(_or_boolean("private", "strict"), "ProtectControlGroups")
    for line, value in (("protectsystem", system), ("protecthome", home)):
        if value and value != "no":
            plan.add(line, value)
    if temporary != "no":
        plan.add("privatetmp", "yes" if temporary == "connected" else temporary)
    if users and users != "no":
        plan.add("privateusers", "yes" if users == "self" else users)
    if groups and groups != "no":
        if groups != "yes":
            section.report.unenforced(f"ProtectControlGroups={groups}, but yes")
        plan.add("protectcgroups", "yes")
    for key, line, known in (
        ("ProtectProc", "protectproc", choice("default", "noaccess", "invisible", "ptraceable")),
        ("ProcSubset", "procsubset", choice("all", "pid")),
        ("MountFlags", "mountflags", choice("shared", "slave", "private")),
    ):
        chosen = section.last(known, key)
        if chosen and chosen not in ("default", "all"):
            plan.add(line, chosen)


def _devices(plan: Plan, section: Section) -> None:
    policy = section.last(choice("auto", "closed", "strict"), "DevicePolicy") or "auto"
    if policy == "auto" and enabled(section, "PrivateDevices"):
        policy = "closed"
    allowed: dict[str, str] = {}
    for setting in section.all("DeviceAllow"):
        device, rights = _device(section, setting)
        if device:
            allowed[device] = rights
    if enabled(section, "ProtectClock") and (policy != "auto" or allowed):
        allowed.setdefault("char-rtc", "r")
    if policy != "auto":
        plan.add("devicepolicy", policy)
    for device, rights in allowed.items():
        plan.add("deviceallow", device, rights)


def _device(section: Section, setting: Setting) -> tuple[str, str]:
    """Return a device node, or a group of devices, and the rights; empty after a mistake."""
    try:
        found = words(setting.value, unquote=True)
        if len(found) not in (1, 2):
            raise ValueError("not a device and rights")
        rights = found[1] if len(found) == 2 else "rwm"
        if not rights or set(rights) - set("rwm"):
            raise ValueError(f"{rights} are not rights of a device")
        text = section.expanded(setting, found[0])
        if text is None:
            return "", ""
        if text.startswith(("block-", "char-")):
            return text, rights
        path = absolute(text)
        if not path.startswith(("/dev/", "/run/systemd/inaccessible/")):
            raise ValueError(f"{path} is not a device")
    except ValueError as error:
        section.report.ignored(setting, str(error))
        return "", ""
    return path, rights

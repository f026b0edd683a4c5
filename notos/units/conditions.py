"""Condition… and Assert… (systemd.unit(5)), decided now where the machine is known, else left to run-unit."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from notos.units.plan import Plan
from notos.units.section import Section
from notos.units.unit_text import Setting
from notos.units.values import boolean
from notos.units.words import WHITESPACE

_PATHS = (
    *("PathExists", "PathExistsGlob", "PathIsDirectory", "PathIsSymbolicLink", "PathIsMountPoint"),
    *("PathIsReadWrite", "PathIsEncrypted", "DirectoryNotEmpty", "FileNotEmpty", "FileIsExecutable"),
    "NeedsUpdate",
)
# run-unit tests these.
_LATE = (
    *("KernelCommandLine", "KernelVersion", "Capability", "ACPower", "Memory", "CPUs", "Environment", "User"),
    *("Group", "ControlGroupController"),
)
_CONTAINERS = (
    *("container", "openvz", "lxc", "lxc-libvirt", "systemd-nspawn", "docker", "podman", "rkt", "wsl"),
    *("proot", "pouch", "private-users"),
)
# Files that exist where a kernel feature of ConditionSecurity= is on.
_SECURITY = {
    "apparmor": "/sys/module/apparmor/parameters/enabled",
    "tpm2": "/sys/class/tpmrm/tpmrm0",
}
_NO_SECURITY = ("selinux", "smack", "tomoyo", "ima", "cvm", "measured-uki", "uefi-secureboot")
_CONSTANT = ("PathExists", "/")  # run-unit's words for a condition that is known to hold
_OPERATORS = ("<=", ">=", "!=", "<>", "==", "=$", "!=$", "<", ">", "=")


class Facts:
    """The facts by which conditions are decided at build time."""

    def __init__(self, architecture: str, hostname: str, release: Mapping[str, str]) -> None:
        self.architecture = architecture
        self.hostname = hostname
        self.release = release


def add(plan: Plan, section: Section, facts: Facts) -> bool:
    """Add the lines `condition` and `assert` to the plan; return False if the unit can never start."""
    possible = True
    for prefix, key in (("Condition", "condition"), ("Assert", "assert")):
        triggers: list[tuple[str, str, str]] = []
        lines: list[tuple[str, str, str]] = []
        for setting in _kept(section, prefix):
            line = _line(section, setting, setting.key.removeprefix(prefix), facts)
            if line is None:
                continue
            flags, kind, argument = line
            if flags.startswith("|"):
                triggers.append(line)
            elif (kind, argument) != _CONSTANT:
                lines.append(line)
            elif flags:  # known to be false
                lines.append(line)
                possible = False
        if any(line == ("|", *_CONSTANT) for line in triggers):
            triggers = []
        elif triggers and all(line == ("|!", *_CONSTANT) for line in triggers):
            possible = False
        for each in (*lines, *triggers):
            plan.add(key, *each)
    return possible


def _kept(section: Section, prefix: str) -> list[Setting]:
    """Return the settings with the prefix; an empty value of any condition removes all before it."""
    found: list[Setting] = []
    for each in section.settings:
        if each.key.startswith(prefix):
            found = [*found, each] if each.value else []
    return found


def _line(section: Section, setting: Setting, kind: str, facts: Facts) -> tuple[str, str, str] | None:
    text = setting.value
    trigger, negated = text.startswith("|"), False
    blanks = "" if kind in _PATHS else WHITESPACE
    text = text[1:].lstrip(blanks) if trigger else text
    if text.startswith("!"):
        text, negated = text[1:].lstrip(blanks), True
    argument = section.expanded(setting, text)
    if argument is None:
        return None
    if kind in _PATHS:
        argument = section.checked_path(setting, argument)
        if not argument:
            return None
    flags = "|" if trigger else ""
    try:
        decided = _decided(kind, argument, facts)
    except ValueError as error:
        if str(error):
            section.report.ignored(setting, f"{argument}: {error}")
        else:
            hint = f"remove it with `set: {{{setting.key}: []}}`" if setting.line else ""
            section.report.error(setting, "cannot be tested in this machine", hint)
        return None
    if isinstance(decided, bool):
        return (flags + ("" if decided != negated else "!"), *_CONSTANT)
    return (flags + ("!" if negated else ""), *decided)


def _decided(kind: str, argument: str, facts: Facts) -> bool | tuple[str, str]:
    """Return the result of a condition, or the kind and argument that run-unit tests.

    Raises ValueError: with a message for an invalid argument, without one if the machine cannot test it.
    """
    if kind in _LATE:
        return kind, argument
    test = _TESTS.get(kind)
    if test:
        return test(argument, facts)
    if kind in _PATHS and kind != "PathIsEncrypted":
        return kind, argument
    raise ValueError


def _architecture(argument: str, facts: Facts) -> bool:
    return argument in (facts.architecture, "native")


def _host(argument: str, facts: Facts) -> bool | tuple[str, str]:
    if facts.hostname and not (len(argument) == 32 and set(argument) <= set("0123456789abcdef")):
        return fnmatchcase(facts.hostname.lower(), argument.lower())
    return "Host", argument


def _virtualization(argument: str, _facts: Facts) -> bool | tuple[str, str]:
    return False if argument in _CONTAINERS else ("Virtualization", argument)


def _first_boot(argument: str, _facts: Facts) -> bool:
    """Return the result; no boot of an image is a first boot in systemd's sense (/etc is populated)."""
    return not boolean(argument)


def _firmware(argument: str, _facts: Facts) -> bool | tuple[str, str]:
    if argument == "uefi":
        return "PathExists", "/sys/firmware/efi"
    if argument.startswith("device-tree"):
        return ("PathExists", "/sys/firmware/devicetree") if argument == "device-tree" else False
    raise ValueError


def _security(argument: str, _facts: Facts) -> bool | tuple[str, str]:
    if argument in _SECURITY:
        return "PathExists", _SECURITY[argument]
    if argument == "audit":
        return "PathExists", "/proc/self/loginuid"
    if argument in _NO_SECURITY:
        return False
    raise ValueError("not a security technology")


def _release(argument: str, facts: Facts) -> bool:
    """Compare fields of os-release(5); only = and != compare texts here."""
    for word in argument.split():
        for operator in sorted(_OPERATORS, key=len, reverse=True):
            name, found, value = word.partition(operator)
            if found:
                break
        else:
            raise ValueError("not a comparison")
        equal = fnmatchcase(facts.release.get(name, ""), value.strip("\"'"))
        if operator not in ("=", "!="):
            raise ValueError
        if equal != (operator == "="):
            return False
    return True


_TESTS: Mapping[str, Callable[[str, Facts], bool | tuple[str, str]]] = {
    "Architecture": _architecture,
    "Host": _host,
    "Virtualization": _virtualization,
    "FirstBoot": _first_boot,
    "NeedsUpdate": lambda _argument, _facts: False,  # an image is updated as a whole
    "Firmware": _firmware,
    "Security": _security,
    "OSRelease": _release,
    "Credential": lambda _argument, _facts: False,  # the machine has no system credentials
    # Systemd's conditions on pressure hold where the kernel does not measure it.
    "MemoryPressure": lambda _argument, _facts: True,
    "CPUPressure": lambda _argument, _facts: True,
    "IOPressure": lambda _argument, _facts: True,
}

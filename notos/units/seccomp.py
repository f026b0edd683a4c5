"""The restrictions of system calls in a unit, as one program for seccomp(2) (systemd.exec(5)).

systemd installs a filter for each key; here each is a layer of one program. Differences from systemd:

- All filters cover only the machine's own architecture. Calls of other ones (32-bit programs) are blocked:
  the process is killed if SystemCallArchitectures= does not name them, and otherwise they fail with ENOSYS.
- ProtectKernelTunables= has no layer: kernels since 5.5 have no _sysctl(2).
- Arguments of 32 bits are compared in their low half, which is all that the kernel reads.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from notos.architecture import Architecture
from notos.units import syscalls, values
from notos.units.bpf import ALLOW, KILL_PROCESS, LOG, Layer, Match, Rule, compiled, errno
from notos.units.execution import personality
from notos.units.names import ADDRESS_FAMILIES, ADDRESS_FAMILY_LIMIT, ERRORS, NAMESPACES
from notos.units.section import Section
from notos.units.unit_text import Setting

_KILL = -2  # an entry of a list whose action is to kill the process
_PLAIN = -1  # an entry without an own action
_DENY = errno(ERRORS["EPERM"])
_SET_UID, _SET_GID = 0o4000, 0o2000
_CREATE = 0o100  # O_CREAT
_EXECUTE, _WRITE = 4, 2  # PROT_EXEC, PROT_WRITE
_SHARED_EXECUTE = 0o100000  # SHM_EXEC
_FAIR_POLICIES = (0, 3, 5)  # SCHED_OTHER, SCHED_BATCH, SCHED_IDLE
_NATIVE = "native"
# Names of architectures that can appear besides the machine's: 32-bit programs and the second ABI.
_FOREIGN, _SECOND = ("x86", "arm"), ("x32",)


@dataclass
class _List:
    """A list of system calls: the permitted ones, or the forbidden ones."""

    permits: bool
    entries: dict[str, int] = field(default_factory=dict)  # actions by name


def program(section: Section, target: Architecture, *, dynamic: bool) -> bytes:
    """Return the program of [Service], empty if nothing is restricted; `dynamic`: DynamicUser=yes."""
    numbers = syscalls.numbers(target.syscall_table)
    layers = [
        Layer({numbers[name]: rules for name, rules in layer.items() if name in numbers})
        for layer in _layers(section, dynamic=dynamic)
    ]
    layers += _lists(section, numbers)
    layers = [layer for layer in layers if layer.rules or layer.default != ALLOW]
    architectures = _architectures(section, target)
    if not layers and architectures is None:
        return b""
    blocked = errno(ERRORS["ENOSYS"]) if layers else ALLOW
    foreign = blocked if architectures is None or {*_FOREIGN} & architectures else KILL_PROCESS
    second = blocked if architectures is None or {*_SECOND} & architectures else KILL_PROCESS
    return compiled(layers, target.audit_number, foreign, second)


def _layers(section: Section, *, dynamic: bool) -> Iterator[Mapping[str, list[Rule]]]:
    """Yield the rules by name of each key but the lists, in systemd's order."""

    def on(key: str) -> bool:
        return bool(section.last(values.boolean, key))

    yield _families(section)
    if on("MemoryDenyWriteExecute"):
        yield _memory()
    if on("RestrictRealtime"):
        fair = Match(1, _FAIR_POLICIES, negated=True)
        yield {"sched_setscheduler": [Rule(_DENY, (fair,))]}
    if on("RestrictSUIDSGID") or dynamic:
        yield _set_id()
    yield _namespaces(section)
    for key, names in (
        ("ProtectKernelModules", syscalls.groups()["@module"]),
        ("ProtectKernelLogs", ("syslog",)),
        ("ProtectClock", syscalls.groups()["@clock"]),
        ("PrivateDevices", syscalls.groups()["@raw-io"]),
        ("ProtectHostname", ("sethostname", "setdomainname")),
    ):
        if on(key):
            yield {name: [Rule(_DENY)] for name in names}
    if on("LockPersonality"):
        chosen = (
            section.last(partial(personality, native=section.specifiers.architecture), "Personality") or 0
        )
        yield {"personality": [Rule(_DENY, (Match(0, (chosen,), negated=True),))]}


def _families(section: Section) -> Mapping[str, list[Rule]]:
    """Return the rule of RestrictAddressFamilies=."""
    found: set[int] | None = None
    permits = False
    for setting in section.every("RestrictAddressFamilies"):
        text = setting.value.removeprefix("~")
        inverted = text != setting.value
        if not setting.value:
            found, permits = None, False
        elif setting.value == "none":
            found, permits = set(), True
        else:
            if found is None:
                found, permits = set(), not inverted
            for word in section.words(Setting(setting.key, text, setting.file, setting.line, setting.own)):
                if word not in ADDRESS_FAMILIES:
                    section.report.ignored(setting, f"{word} is not an address family")
                elif inverted != permits:
                    found.add(ADDRESS_FAMILIES[word])
                else:
                    found.discard(ADDRESS_FAMILIES[word])
    if found is None or (not found and not permits):
        return {}
    listed = tuple(sorted(each for each in found if not permits or 0 < each < ADDRESS_FAMILY_LIMIT))
    test = Match(0, listed, negated=permits)
    return {"socket": [Rule(errno(ERRORS["EAFNOSUPPORT"]), (test,))]}


def _memory() -> Mapping[str, list[Rule]]:
    """Return the rules of MemoryDenyWriteExecute=."""
    both = _EXECUTE | _WRITE
    execute = Rule(_DENY, (Match(2, (_EXECUTE,), _EXECUTE),))
    return {
        "mmap": [Rule(_DENY, (Match(2, (both,), both),))],
        "mprotect": [execute],
        "pkey_mprotect": [execute],
        "shmat": [Rule(_DENY, (Match(2, (_SHARED_EXECUTE,), _SHARED_EXECUTE),))],
    }


def _set_id() -> Mapping[str, list[Rule]]:
    """Return the rules of RestrictSUIDSGID=: no mode with set-user-ID or set-group-ID."""
    modes = {
        **{"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1},
        **{"mknodat": 2, "creat": 1},
    }
    found: dict[str, list[Rule]] = {"openat2": [Rule(errno(ERRORS["ENOSYS"]))]}
    for bit in (_SET_UID, _SET_GID):
        for name, argument in modes.items():
            found.setdefault(name, []).append(Rule(_DENY, (Match(argument, (bit,), bit),)))
        for name, argument in (("open", 1), ("openat", 2)):
            tests = (Match(argument, (_CREATE,), _CREATE), Match(argument + 1, (bit,), bit))
            found.setdefault(name, []).append(Rule(_DENY, tests))
    return found


def _namespaces(section: Section) -> Mapping[str, list[Rule]]:
    """Return the rules of RestrictNamespaces=: the kinds that are not listed are forbidden."""
    every = sum(NAMESPACES.values())
    retained: int | None = None
    for setting in section.every("RestrictNamespaces"):
        if not setting.value:
            retained = None
            continue
        with suppress(ValueError):
            retained = 0 if values.boolean(setting.value) else every
            continue
        names = setting.value.removeprefix("~").split()
        inverted = setting.value.startswith("~")
        unknown = [name for name in names if name not in NAMESPACES]
        if unknown:
            section.report.ignored(setting, f"{unknown[0]} is not a kind of namespaces")
            continue
        flags = sum(NAMESPACES[name] for name in {*names})
        if retained is None:
            retained = every & ~flags if inverted else flags
        else:
            retained = retained & ~flags if inverted else retained | flags
    if retained is None or retained == every:
        return {}
    # clone3(2) has its flags in memory; ENOSYS makes libraries use clone(2).
    rules: dict[str, list[Rule]] = {"clone3": [Rule(errno(ERRORS["ENOSYS"]))]}
    rules["setns"] = [Rule(_DENY, (Match(1, (0,)),))] if retained else [Rule(_DENY)]
    for flag in NAMESPACES.values():
        if not retained & flag:
            for name, argument in (("unshare", 0), ("clone", 0), *((("setns", 1),) if retained else ())):
                rules.setdefault(name, []).append(Rule(_DENY, (Match(argument, (flag,), flag),)))
    return rules


def _lists(section: Section, numbers: Mapping[str, int]) -> Iterator[Layer]:
    """Yield the layers of SystemCallLog= and SystemCallFilter=."""
    logged = _listed(section, "SystemCallLog")
    if logged:
        action, default = (LOG, ALLOW) if logged.permits else (ALLOW, LOG)
        yield Layer({numbers[name]: [Rule(action)] for name in logged.entries if name in numbers}, default)
    chosen = _listed(section, "SystemCallFilter")
    if chosen:
        refused = section.last(_error_action, "SystemCallErrorNumber") or KILL_PROCESS
        plain = ALLOW if chosen.permits else refused
        actions = {_PLAIN: plain, _KILL: KILL_PROCESS}
        rules = {
            numbers[name]: [Rule(actions[entry] if entry < 0 else errno(entry))]
            for name, entry in chosen.entries.items()
            if name in numbers
        }
        if chosen.permits:
            # Programs handle ENOSYS of a system call that is newer than this list.
            known = frozenset(numbers.values())
            yield Layer(rules, refused, known, errno(ERRORS["ENOSYS"]))
        else:
            yield Layer(rules)


def _error_action(text: str) -> int:
    return KILL_PROCESS if text == "kill" else errno(values.error_number(text))


def _listed(section: Section, key: str) -> _List | None:
    """Return the list that the settings of `key` make; None without settings, or after a reset."""
    found: _List | None = None
    for setting in section.every(key):
        text = setting.value.removeprefix("~")
        inverted = text != setting.value
        if not setting.value:
            found = None
            continue
        if found is None:
            found = _List(not inverted)
            if not inverted and key == "SystemCallFilter":
                found.entries.update(dict.fromkeys(syscalls.groups()["@default"], _PLAIN))
        for word in text.split():
            _enter(section, setting, found, word, inverted=inverted)
    return found


def _enter(section: Section, setting: Setting, found: _List, word: str, *, inverted: bool) -> None:
    """Enter a system call or a group into the list, or remove it."""
    name, colon, error = word.partition(":")
    try:
        entry = (_KILL if error == "kill" else values.error_number(error)) if colon else _PLAIN
        if not name:
            raise ValueError(f"{word} has no system call")
        if colon and not inverted:
            raise ValueError(f"{word}: a permitted system call has no error number")
        if name.startswith("@") and name not in syscalls.groups():
            raise ValueError(f"{name} is not a group of system calls")
        if setting.own and name not in (*syscalls.groups(), *syscalls.groups()["@known"]):
            raise ValueError(f"{name} is not a system call")
    except ValueError as problem:
        section.report.ignored(setting, str(problem))
        return
    for each in syscalls.groups().get(name, (name,)):
        if inverted != found.permits or (inverted and found.permits and colon):
            found.entries[each] = entry
        else:
            found.entries.pop(each, None)


def _architectures(section: Section, target: Architecture) -> set[str] | None:
    """Return the names in SystemCallArchitectures=, None if it is not set."""
    found: set[str] | None = None
    for setting in section.every("SystemCallArchitectures"):
        if not setting.value:
            found = None
            continue
        found = found or set()
        for word in section.words(setting, unquote=True):
            found.add(target.systemd if word == _NATIVE else word)
    return found

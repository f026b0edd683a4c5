"""The types that the other modules of this package share: the machine's facts, and the translated unit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from notos.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class Context:
    """Facts of the machine that a translation needs."""

    service: str  # runit's name of the service
    target: Architecture
    keys: tuple[str, ...] = ()  # path of the config's keys, for errors
    # The lines of a last drop-in: values by key ("LimitNOFILE") or by section and key ("Unit.After",
    # "Socket.ListenStream"). A list is one line for each item; an empty list or text resets the key.
    overrides: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)  # runit's names by unit name, of the machine
    hostname: str = ""
    release: Mapping[str, str] = field(default_factory=dict)  # fields of os-release(5)
    # Return True if the machine has the file of this absolute path. None: assume that programs exist.
    exists: Callable[[str], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A service as run-unit needs it."""

    unit: str  # its name; an alias is resolved (sshd.service is ssh.service)
    plan: str  # the file `unit`: lines as in docs; bytes that are not UTF-8 are surrogate escapes
    seccomp: bytes = b""  # a classic BPF program of struct sock_filter, empty if the unit needs none
    notes: tuple[str, ...] = ()  # warnings, one line each
    files: tuple[
        str, ...
    ] = ()  # the unit's file, then its drop-ins: paths as in UnitFiles.texts, or the user's
    sockets: tuple[str, ...] = ()  # socket units whose listeners the plan has
    users: tuple[str, ...] = ()  # accounts that the plan names; they must exist
    groups: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()  # programs that the plan runs, absolute; without those of flag -
    readiness: bool = False  # True if a check has to wait for run-unit --ready


@dataclass(frozen=True, kw_only=True)
class Timer:
    """A timer unit. Times are seconds."""

    unit: str  # the timer's name
    starts: str  # the unit that it starts
    calendars: tuple[str, ...] = ()  # OnCalendar, normalized as by systemd-analyze calendar
    # Pairs of base and seconds; the base is active, boot, startup, unit-active or unit-inactive.
    monotonic: tuple[tuple[str, float], ...] = ()
    persistent: bool = False
    random_delay: float = 0
    fixed_random_delay: bool = False
    accuracy: float = 60
    notes: tuple[str, ...] = ()

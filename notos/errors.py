"""The exceptions of Notos, one hierarchy. This module never prints and never exits; the tasks do that.

NotosError              the base class: a message of one line, and a hint that says what to do
├── ConfigError         invalid config, or invalid imported config
├── HostError           a fault of this host: its settings, a folder that is not writable
├── LockError           unresolvable packages, or an invalid config.lock
├── FetchError          a failure of the network, the mirror or a download
│   └── SignatureError  an index without a valid signature by a shipped key, or a wrong hash
├── PackageError        an unreadable or invalid .deb
├── ClosureError        a required library, module or path that nothing provides
├── StoreError          an invalid store object or binary cache
├── ArchiveError        an entry that the archive format cannot represent
├── KernelError         a kernel or module that lacks what the machine needs
├── ScriptError         a script whose @markers@ and values do not match
├── MachineError        a running machine that does not answer or cannot do the requested action
│   ├── MachineLostError     the machine panicked, ended or entered a rescue shell during a wait
│   ├── MachineTimeoutError  a wait exceeded its time limit
│   └── CommandError         a command in the machine had an unexpected exit status
├── ToolError           a program that could not be started, or failed
└── UsageError          a command line with an unknown or missing part
"""

from collections.abc import Iterable
from typing import Self


class NotosError(Exception):
    """A problem that the user can act on.

    `message` says what is wrong and where. `hint` says what to do next. Both are plain text without
    a trailing full stop or newline. If a value of the config is the cause, `keys` is the path of its
    keys, for example ("kernel", "modules", "tun"); a list item is named by its value. Alternatively,
    `package` is a package that the config names. The task layer shows the error at that line.
    """

    parts: "tuple[NotosError, ...]" = ()
    """The individual errors that this one combines; empty for a single error."""

    def __init__(
        self, message: str, *, hint: str = "", keys: tuple[str, ...] = (), package: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.keys = keys
        self.package = package

    @classmethod
    def joined(cls, parts: "Iterable[NotosError]", message: str = "") -> Self:
        """Return one error that combines `parts`, with the parts of each.

        `message` replaces their joined messages.
        """
        found = tuple(single for each in parts for single in (each.parts or (each,)))
        hints = dict.fromkeys(each.hint for each in found if each.hint)
        whole = cls(message or "; ".join(each.message for each in found), hint="; ".join(hints))
        whole.parts = found
        return whole

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class ConfigError(NotosError):
    """An invalid config, or an invalid imported config."""


class HostError(NotosError):
    """A fault of this host: its settings, a folder that is not writable."""


class LockError(NotosError):
    """Unresolvable packages, or an invalid config.lock."""


class FetchError(NotosError):
    """A failure of the network, the mirror or a download."""


class SignatureError(FetchError):
    """An index without a valid signature by a shipped key, or a file with a wrong hash."""


class PackageError(NotosError):
    """An unreadable or invalid .deb."""


class ClosureError(NotosError):
    """A required library, module or path that nothing provides."""


class StoreError(NotosError):
    """An invalid store object or binary cache."""


class ArchiveError(NotosError):
    """An entry that the archive format cannot represent."""


class KernelError(NotosError):
    """A kernel or module that lacks what the machine needs."""


class ScriptError(NotosError):
    """A script whose @markers@ and values do not match."""


class MachineError(NotosError):
    """A running machine that does not answer or cannot do the requested action."""


class MachineLostError(MachineError):
    """A machine that panicked, ended or entered a rescue shell during a wait."""


class MachineTimeoutError(MachineError):
    """A wait that exceeded its time limit."""


class CommandError(MachineError):
    """A command in a machine with an unexpected exit status."""


class ToolError(NotosError):
    """A program that could not be started, or failed."""


class UsageError(NotosError):
    """A command line with an unknown or missing part."""


def raise_all(found: Iterable[NotosError]) -> None:
    """Raise the only error in `found`, or one error that combines all of them. Do nothing if it is empty."""
    errors = tuple(found)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise type(errors[0]).joined(errors)

"""What can go wrong, as one family; it never prints and never exits, the tasks do that.

NotosError              anything below: a message in one line, and a hint that says what to do
├── ConfigError         a config, or one that it imports
├── HostError           this host: its settings, a folder that cannot be written
├── LockError           the packages asked for, and those that the archive or config.lock has
├── FetchError          the network, the mirror, a download
│   └── SignatureError  an index that is not signed by a key we ship, or does not match its hash
├── PackageError        a .deb that cannot be read, or must not be
├── ClosureError        a library, module or path that something needs and nothing provides
├── StoreError          a tree that cannot be a store object
├── ArchiveError        an entry that a cpio archive cannot hold
├── KernelError         a kernel or module that cannot do what the machine needs
├── ScriptError         a script whose @markers@ and values do not match
├── MachineError        a running machine that does not answer, or cannot do what it is asked
│   ├── MachineLostError     one that panicked, ended, stands in a rescue shell, … while it was waited for
│   ├── MachineTimeoutError  what was waited for did not come in time
│   └── CommandError         a command in it ended otherwise than it should
├── ToolError           a program that could not be run, or failed
└── UsageError          a command line with an unknown or missing part
"""

from collections.abc import Iterable
from typing import Self


class NotosError(Exception):
    """A problem that the user can act on.

    `message` says what is wrong and where, `hint` what to do next; both are plain text without
    a trailing full stop or newline. An error whose cause is a value of the config has the path of its
    keys: `keys` (("kernel", "modules", "tun"); the name of a list's item is the last), or else the
    `package` that the config names somewhere. The task layer shows the error at that line.
    """

    parts: "tuple[NotosError, ...]" = ()
    """The errors of which this one is the sum, each of a cause of its own; none for a single error."""

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
        """Return one error for all `parts`, whose messages `message` sums up."""
        found = tuple(parts)
        hints = dict.fromkeys(each.hint for each in found if each.hint)
        whole = cls(message or "; ".join(each.message for each in found), hint="; ".join(hints))
        whole.parts = found
        return whole

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class ConfigError(NotosError):
    """A config, or one that it imports."""


class HostError(NotosError):
    """This host: its settings, a folder that cannot be written."""


class LockError(NotosError):
    """The packages asked for, and those that the archive or config.lock has."""


class FetchError(NotosError):
    """The network, the mirror, a download."""


class SignatureError(FetchError):
    """An index that is not signed by a key we ship, or does not match its hash."""


class PackageError(NotosError):
    """A .deb that cannot be read, or must not be."""


class ClosureError(NotosError):
    """A library, module or path that something needs and nothing provides."""


class StoreError(NotosError):
    """A tree that cannot be a store object."""


class ArchiveError(NotosError):
    """An entry that a cpio archive cannot hold."""


class KernelError(NotosError):
    """A kernel or module that cannot do what the machine needs."""


class ScriptError(NotosError):
    """A script whose @markers@ and values do not match."""


class MachineError(NotosError):
    """A running machine that does not answer, or cannot do what it is asked."""


class MachineLostError(MachineError):
    """A machine that panicked, ended, stands in a rescue shell, … while it was waited for."""


class MachineTimeoutError(MachineError):
    """What was waited for did not come in time."""


class CommandError(MachineError):
    """A command in a machine ended otherwise than it should."""


class ToolError(NotosError):
    """A program that could not be run, or failed."""


class UsageError(NotosError):
    """A command line with an unknown or missing part."""


def raise_all(found: Iterable[NotosError]) -> None:
    """Raise the one error that `found` has, or all of them as one; nothing if there is none."""
    errors = tuple(found)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise type(errors[0]).joined(errors)

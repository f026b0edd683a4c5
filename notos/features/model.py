"""Frozen values of all that a feature can add to a machine, and the join of all features of one machine.

The smaller ones are named tuples: every command imports this module, and a dataclass takes six times as long
to define. The contents of files are dataclasses, for those of different kinds must not be equal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from notos.config.model import FileMode, Package
from notos.features import plain
from notos.kernel.requirements import Requirement

Keys = tuple[str, ...]  # the path of a key of the config


class Script(NamedTuple):
    """A shell file of the runit object; boot/NN-name is a boot fragment, sourced in the order of its name.

    path    where it is in the object
    source  the file: below runit/, the same path by default, or an absolute path
    values  for its @markers@ (system.template)
    """

    path: str
    source: str = ""
    values: Mapping[str, str | int | Sequence[str]] = {}


class Service(NamedTuple):
    """A service that runit keeps running.

    folder  the folder with run, and other files: below runit/services/, or an absolute path
    run     or the text of the run script
    log     True if svlogd keeps what it prints
    reads   patterns of files below /etc; a switch restarts the service where they change
    keys    the key of the config that defines it, if one does
    """

    name: str
    folder: str = ""
    run: str = ""
    log: bool = False
    reads: tuple[str, ...] = ()
    keys: Keys = ()


@dataclass(frozen=True)
class Text:
    """The text of a file."""

    text: str


@dataclass(frozen=True)
class Copy:
    """A file that is copied: below scripts/stage2/etc/, or an absolute path."""

    source: str


@dataclass(frozen=True)
class Link:
    """A symbolic link, which a package's own file replaces."""

    target: str


@dataclass(frozen=True)
class Computed:
    """A text that depends on the packages: function(system, **arguments), `system` being system-path's tree.

    The function is one of a module, so that the value can be compared. It may raise NotosError.
    """

    function: Callable[..., str]
    arguments: Mapping[str, Any]


Content = Text | Copy | Link | Computed


class EtcFile(NamedTuple):
    """A file in /etc.

    path     below /etc
    mode     octal
    keys     the key of the config that defines it, if one does
    """

    path: str
    content: Content
    mode: FileMode = FileMode("0644")
    keys: Keys = ()


class Subnet(NamedTuple):
    """A static address, and the others of its subnet: what QEMU's user network must suit."""

    address: str  # with its prefix length: 10.0.2.15/24
    gateway: str | None = None
    dns: tuple[str, ...] = ()


class RemoteBuilder(NamedTuple):
    """A machine that can build for Nix on another host.

    host      the name by which Nix knows it
    settings  nix.conf of the machine, as far as the config sets it
    """

    host: str
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """All that one feature adds to a machine.

    Run-time folders are a file of tmpfiles.d in `etc`; accounts can be a file of sysusers.d there too.
    """

    packages: tuple[Package, ...] = ()  # of the system
    initrd_packages: tuple[Package, ...] = ()
    requirements: tuple[Requirement, ...] = ()  # of the kernel; stage-1 loads modules in this order
    kernel_params: tuple[str, ...] = ()  # before those of the config
    stage1: tuple[str, ...] = ()  # shell files of scripts/stage1/, which init sources
    scripts: tuple[Script, ...] = ()
    services: tuple[Service, ...] = ()
    etc: tuple[EtcFile, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)  # texts of sysusers.d files by name
    memory: int = 0  # MiB that it needs in the running system
    subnet: Subnet | None = None
    drive: str = ""  # the size of a second drive ("10G")
    login: bool = False  # True if users log in by ssh
    remote_builder: RemoteBuilder | None = None
    tools: Mapping[str, tuple[Package, ...]] = field(
        default_factory=dict
    )  # trees of programs that outputs run
    reserved_services: Mapping[str, str] = field(default_factory=dict)  # by name, the setting that frees it
    reserved_etc: Mapping[str, str] = field(default_factory=dict)  # by first part of the path, a hint


class Features(Feature):
    """The join of all features of a machine, in the registry's order.

    A later feature's package, account file or reserved name replaces an earlier one's of the same name.
    """

    def plain(self, *names: str) -> dict[str, plain.Plain]:
        """Return the fields called `names`, all by default, as plain JSON: equal if and only if they are."""
        return {name: plain.of(getattr(self, name)) for name in names or [each.name for each in fields(self)]}

    @property
    def etc_functions(self) -> tuple[Callable[..., str], ...]:
        """The functions that compute files of /etc: code on which these files depend."""
        return tuple(each.content.function for each in self.etc if isinstance(each.content, Computed))

    @property
    def etc_sources(self) -> tuple[str, ...]:
        """The files outside of Notos that are copied to /etc."""
        return tuple(
            each.content.source
            for each in self.etc
            if isinstance(each.content, Copy) and each.content.source.startswith("/")
        )

    @property
    def runit_sources(self) -> tuple[str, ...]:
        """The files and folders outside of Notos that the runit object is made of."""
        sources = [*(each.source for each in self.scripts), *(each.folder for each in self.services)]
        return tuple(each for each in sources if each.startswith("/"))

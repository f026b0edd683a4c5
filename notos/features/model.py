"""Frozen values of everything that a feature can add to a machine, and the join of a machine's features.

The small ones are named tuples: every command imports this module, and defining a dataclass takes six times
as long. The contents of files are dataclasses, because contents of different kinds must not be equal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple

from notos.config.model import FileMode, Package
from notos.config.value_types import FileKind
from notos.kernel.requirements import Requirement
from notos.structs import dataclass

Keys = tuple[str, ...]  # the path of a key of the config


class Script(NamedTuple):
    """A shell file of the runit object; boot/NN-name is a boot fragment, sourced in the order of its name.

    path    its path in the object
    source  the file: a path below runit/ (by default the same), or an absolute path
    values  for its @markers@ (system.template)
    text    the text of a script of the config, in place of a file
    keys    the key in the config that defines it; empty for a built-in script
    user    the account that runs it; "" for root
    """

    path: str
    source: str = ""
    values: Mapping[str, str | int | Sequence[str]] = {}
    text: str = ""
    keys: Keys = ()
    user: str = ""


class Unit(NamedTuple):
    """A systemd unit that a service or a timer runs by.

    name         with its suffix; nginx.service, logrotate.timer
    file         the user's file with the unit, an absolute path; "" for a unit of a package
    settings     the config's values for its keys, as lines of a drop-in: LimitNOFILE, Unit.After
    environment  its environment variables of the config
    beside       further units of the user, beside its file: the socket of a service, the service of a timer
    """

    name: str
    file: str = ""
    beside: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = {}
    environment: Mapping[str, str] = {}


class UnitTimer(NamedTuple):
    """A systemd timer that the service for timers runs.

    name  its name in the config
    keys  the key in the config that defines it
    """

    name: str
    unit: Unit
    keys: Keys = ()


class Service(NamedTuple):
    """A service that runit keeps running.

    folder  the folder with run and other files: below runit/services/, or an absolute path
    run     the text of the run script, in place of a folder
    unit    the systemd unit to run, in place of both
    timers  systemd timers, for the service that runs timers
    log     True if svlogd stores its output
    reads   patterns of files, below /etc or absolute; a switch restarts the service if one of them changes
    files   texts of further files by path
    scripts further scripts of the config, with paths below the service's folder
    keys    the key in the config that defines it; empty for a built-in service
    """

    name: str
    folder: str = ""
    run: str = ""
    unit: Unit | None = None
    timers: tuple[UnitTimer, ...] = ()
    files: Mapping[str, str] = {}
    scripts: tuple[Script, ...] = ()
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
    """A symbolic link; a file of a package at the same path replaces it."""

    target: str


@dataclass(frozen=True)
class Computed:
    """A text that depends on the packages: function(system, **arguments); `system` is system-path's tree.

    The function is at the top of a module, so that values can be compared. It may raise NotosError.
    """

    function: Callable[..., str]
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Folder:
    """A folder of this host that is copied with all below it; without a source, an empty folder.

    exclude  patterns of paths below it, or of names if they have no slash
    """

    source: str = ""
    exclude: tuple[str, ...] = ()


Content = Text | Copy | Link | Computed


class EtcFile(NamedTuple):
    """A file in /etc.

    path     below /etc
    mode     octal
    keys     the key in the config that defines it; empty for a built-in file
    yields   a built-in file that a file of a package replaces
    """

    path: str
    content: Content
    mode: FileMode = FileMode("0644")
    keys: Keys = ()
    yields: bool = False


class Placed(NamedTuple):
    """A file, folder or link anywhere outside of /run, /proc and the like.

    path     absolute and usr-merged
    content  a Link replaces other files; the source of a Copy is absolute
    mode     octal, four digits; "" for 0644, and 0755 for programs and folders. In a folder it is that of its
             files; folders and programs get the bits for execution where it has those for reading
    keys     the key in the config that defines it; empty for a built-in file
    """

    path: str
    content: Text | Copy | Link | Folder
    mode: str = ""
    owner: str = "root"
    group: str = "root"
    keys: Keys = ()


class Account(NamedTuple):
    """A user account of the config, with a group of the same name; or changes of root.

    uid            None for a number that follows from the name
    groups         further groups
    shell          "" for the machine's best shell
    home           created at boot, unless it is "" or /nonexistent
    password_hash  crypt(5); "" for none
    system         True for an account of a service, with a number below 1000
    keys           the key in the config that defines it
    """

    name: str
    uid: int | None = None
    description: str = ""
    groups: tuple[str, ...] = ()
    shell: str = ""
    home: str = ""
    password_hash: str = ""
    system: bool = False
    keys: Keys = ()


class Group(NamedTuple):
    """A group of the config; None is a number that follows from the name."""

    name: str
    gid: int | None = None
    keys: Keys = ()


class Removal(NamedTuple):
    """A path that is left out of packages and of copied folders, with all below it.

    path  absolute and usr-merged; * and ? match any characters
    keys  the key in the config that names it
    """

    path: str
    keys: Keys = ()


class Subnet(NamedTuple):
    """A static address with its gateway and name servers, to which QEMU's user network must fit."""

    address: str  # with its prefix length: 10.0.2.15/24
    gateway: str | None = None
    dns: tuple[str, ...] = ()


class NetworkCard(NamedTuple):
    """A network card that QEMU gives the machine.

    name        in `vm.networks`
    interfaces  through which it is used: itself by name and MAC address, then bridges that it is a port of
    """

    name: str
    mac: str
    interfaces: tuple[str, ...] = ()


class Choice(NamedTuple):
    """A file or folder that a machine takes from a package, by its name in the config.

    It may be a link to another file of the package, which is then taken too.

    package  the package
    folder   the folder below usr/ that has all that can be chosen ("share/zoneinfo")
    path     the path of the chosen one below `folder`
    what     the kind of thing, for errors ("time zone")
    keys     the key in the config that chooses it
    folder_of_files   True if the path is that of a folder, with files to take
    """

    package: str
    folder: str
    path: str
    what: str
    keys: Keys
    folder_of_files: bool = False


class RemoteBuilder(NamedTuple):
    """A machine that can build for Nix on another host.

    host      its host name in Nix's list of builders
    system    Nix' name of its architecture
    settings  the settings of nix.conf that the config contains
    """

    host: str
    system: str
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Everything that one feature adds to a machine.

    Add run-time folders as a tmpfiles.d file in `etc`. Accounts can also be a sysusers.d file there.
    """

    packages: tuple[Package, ...] = ()  # of the system
    optional_packages: tuple[Package, ...] = ()  # of the system, if the archive has them
    initrd_packages: tuple[Package, ...] = ()
    requirements: tuple[Requirement, ...] = ()  # of the kernel; stage-1 loads modules in this order
    kernel_params: tuple[str, ...] = ()  # before those of the config
    modules: Mapping[str, Keys] = field(default_factory=dict)  # for modprobe in the running system
    module_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # values by module and name
    choices: tuple[Choice, ...] = ()  # files of packages that the config names
    stage1: tuple[str, ...] = ()  # shell files of scripts/stage1/, which init sources
    pre_mount: tuple[Script, ...] = ()  # scripts of stage-1 that run before the root is mounted
    scripts: tuple[Script, ...] = ()
    services: tuple[Service, ...] = ()
    etc: tuple[EtcFile, ...] = ()
    placed: tuple[Placed, ...] = ()  # files anywhere; those of packages come first
    removed: tuple[Removal, ...] = ()
    keep: tuple[FileKind, ...] = ()  # kinds of files that packages keep
    accounts: Mapping[str, str] = field(default_factory=dict)  # texts of sysusers.d files by name
    users: tuple[Account, ...] = ()
    groups: tuple[Group, ...] = ()
    memory: int = 0  # MiB needed in the running system
    subnet: Subnet | None = None
    cards: tuple[NetworkCard, ...] = ()
    drive: str = ""  # the size of a second drive ("10G")
    # settings of mechanisms of notos.integration, by module
    integration: Mapping[str, Any] = field(default_factory=dict)
    login: bool = False  # True if users log in by ssh
    instance: bool = False  # True if the boot applies instance data
    remote_builder: RemoteBuilder | None = None
    # programs that outputs run, by the name of the tools tree
    tools: Mapping[str, tuple[Package, ...]] = field(default_factory=dict)
    reserved_services: Mapping[str, str] = field(default_factory=dict)  # by name: the setting that frees it
    reserved_etc: Mapping[str, str] = field(default_factory=dict)  # by first part of the path: a hint


class Features(Feature):
    """The join of all features of a machine, in the registry's order.

    A later feature's package, account file or reserved name replaces an earlier one's of the same name.
    """

    @property
    def etc_functions(self) -> tuple[Callable[..., str], ...]:
        """Return the functions that compute files of /etc: their code affects these files."""
        return tuple(each.content.function for each in self.etc if isinstance(each.content, Computed))

    @property
    def etc_sources(self) -> tuple[str, ...]:
        """Return the files outside Notos that are copied to /etc."""
        return tuple(
            each.content.source
            for each in self.etc
            if isinstance(each.content, Copy) and each.content.source.startswith("/")
        )

    @property
    def units(self) -> tuple[tuple[Unit, Keys], ...]:
        """Return the systemd units of services and timers, each with the key in the config."""
        services = [(each.unit, each.keys) for each in self.services if each.unit is not None]
        timers = [(timer.unit, timer.keys) for each in self.services for timer in each.timers]
        return (*services, *timers)

    @property
    def runit_sources(self) -> tuple[str, ...]:
        """Return the files and folders outside of Notos that the runit object contains or is made from."""
        sources = [*(each.source for each in self.scripts), *(each.folder for each in self.services)]
        sources += [path for unit, _ in self.units for path in (unit.file, *unit.beside)]
        return tuple(each for each in sources if each.startswith("/"))

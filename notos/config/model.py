"""The machine that a config describes: frozen structs without logic.

The metadata of every field holds its description. loader.py loads YAML into these structs and schema.py
turns them into a JSON Schema, both from the annotations, so a key is added in one place. types.py defines
the form of each type of text (Hostname, FileMode, …).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from notos.architecture import Architecture
from notos.config.setting import TARGET, setting
from notos.config.structs.boot import BootScript, Timer
from notos.config.structs.build import Build, Ccache, Program
from notos.config.structs.debian import UBUNTU_COMPONENTS, UBUNTU_KERNEL, Debian, Package, PackageSource
from notos.config.structs.kernel import Initrd, Kernel, KernelSource, Modprobe, Purpose
from notos.config.structs.login import Group, Ssh, User
from notos.config.structs.network import Interface, Network, Vlan
from notos.config.structs.services import Service
from notos.config.structs.storage import Disk, Mount, Nix
from notos.config.structs.system import EtcFile, PlacedFile, System, SystemScript
from notos.config.structs.virtual_machine import HOST_SSH_PORT, SSH_PORT, Vm
from notos.config.value_types import (
    AbsolutePath,
    AccountName,
    AlternativeChoice,
    AlternativeName,
    ArchiveSuite,
    BuildPath,
    CacheSize,
    ComponentName,
    Debs,
    DeviceName,
    DiskSize,
    DomainName,
    EnvironmentName,
    ExtensionName,
    FileMode,
    FileSystem,
    Glob,
    Hostname,
    InterfaceName,
    IPAddress,
    IPInterface,
    IPNetwork,
    IPv4Address,
    IPv4Interface,
    KernelParam,
    KernelSymbol,
    KeymapName,
    Line,
    LinkName,
    LinkTarget,
    LocaleName,
    MachineName,
    Mode,
    ModuleName,
    ModuleOption,
    MountPoint,
    MountSource,
    NameOrAddress,
    NixSetting,
    PackageName,
    PackagePattern,
    PasswordHash,
    PathPattern,
    Period,
    Port,
    ProgramName,
    PublicKey,
    ReadGlob,
    RelativePath,
    ScriptName,
    ServiceName,
    ServiceUnit,
    Sha256,
    ShellText,
    Source,
    SourceFile,
    SourceFolder,
    SourceTree,
    SourceUrl,
    SuiteName,
    SysctlName,
    TimeOfDay,
    TimerUnit,
    UnitKey,
    Url,
    VariableName,
    ZoneName,
)
from notos.structs import dataclass

__all__ = [
    "HOST_SSH_PORT",
    "SSH_PORT",
    "UBUNTU_COMPONENTS",
    "UBUNTU_KERNEL",
    "AbsolutePath",
    "AccountName",
    "AlternativeChoice",
    "AlternativeName",
    "ArchiveSuite",
    "BootScript",
    "Build",
    "BuildPath",
    "CacheSize",
    "Ccache",
    "ComponentName",
    "Debian",
    "Debs",
    "DeviceName",
    "Disk",
    "DiskSize",
    "DomainName",
    "EnvironmentName",
    "EtcFile",
    "Extension",
    "ExtensionName",
    "FileMode",
    "FileSystem",
    "Glob",
    "Group",
    "Hostname",
    "IPAddress",
    "IPInterface",
    "IPNetwork",
    "IPv4Address",
    "IPv4Interface",
    "Initrd",
    "Interface",
    "InterfaceName",
    "Kernel",
    "KernelParam",
    "KernelSource",
    "KernelSymbol",
    "KeymapName",
    "Line",
    "LinkName",
    "LinkTarget",
    "LocaleName",
    "Machine",
    "MachineName",
    "Mode",
    "Modprobe",
    "ModuleName",
    "ModuleOption",
    "Mount",
    "MountPoint",
    "MountSource",
    "NameOrAddress",
    "Network",
    "Nix",
    "NixSetting",
    "Package",
    "PackageName",
    "PackagePattern",
    "PackageSource",
    "PasswordHash",
    "PathPattern",
    "Period",
    "PlacedFile",
    "Port",
    "Program",
    "ProgramName",
    "PublicKey",
    "Purpose",
    "ReadGlob",
    "RelativePath",
    "ScriptName",
    "Service",
    "ServiceName",
    "ServiceUnit",
    "Sha256",
    "ShellText",
    "Source",
    "SourceFile",
    "SourceFolder",
    "SourceTree",
    "SourceUrl",
    "Ssh",
    "SuiteName",
    "SysctlName",
    "System",
    "SystemScript",
    "TimeOfDay",
    "Timer",
    "TimerUnit",
    "UnitKey",
    "Url",
    "User",
    "VariableName",
    "Vlan",
    "Vm",
    "ZoneName",
    "setting",
]


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension of this project, and its settings: a map whose keys the extension defines."""

    OPEN: ClassVar = True

    file: str  # its Python file, an absolute path
    settings: Any  # the struct that its code defines


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine as its config describes it.

    notos.vm.Machine is a running one, for tests. No file uses both, so each has the short name.
    """

    target: ClassVar[Architecture] = TARGET  # what it runs on; no key yet

    name: MachineName = setting("the machine's name, and the name of its folder in build/")
    debian: Debian = setting("the Debian archive that packages come from", Debian)
    kernel: Kernel = setting("the kernel and its modules", Kernel)
    initrd: Initrd = setting("the initial RAM disk", Initrd)
    system: System = setting("the contents of /usr", System)
    hostname: Hostname = setting("the hostname", Hostname("notos"))
    network: Network = setting(
        "the network interfaces; `network: dhcp` and `network: none` need no further keys",
        lambda: Network(method="dhcp"),
    )
    hosts: Mapping[NameOrAddress, tuple[IPAddress, ...]] = setting(
        "names in /etc/hosts and their addresses, besides localhost and the hostname",
        dict,
        single=True,
        example={"nas": "192.168.1.5"},
    )
    locale: tuple[LocaleName, ...] = setting(
        "the locale: LANG of services and logins; in a list, the others are available too",
        lambda: (LocaleName("C.UTF-8"),),
        single=True,
    )
    timezone: ZoneName = setting("the time zone", ZoneName("UTC"))
    keymap: KeymapName | None = setting(
        "the keymap of a keyboard at the machine's screen", None, example="de"
    )
    sysctl: Mapping[SysctlName, int | bool | Line] = setting(
        "kernel settings below /proc/sys, written at boot",
        dict,
        example={"net.ipv4.ip_forward": 1},
    )
    modules_load: tuple[ModuleName, ...] = setting(
        "kernel modules that the boot loads", (), example=["br_netfilter"]
    )
    modprobe: Modprobe = setting("parameters of kernel modules", Modprobe)
    mounts: Mapping[MountPoint, Mount] = setting(
        "file systems that the boot mounts, by mount point",
        dict,
        example={"/data": {"device": "/dev/vdc", "type": "ext4"}},
    )
    time_servers: tuple[NameOrAddress, ...] = setting("NTP servers, queried once at boot", ())
    ssh: Ssh = setting("remote login", Ssh)
    console: Literal["login", "shell", "none"] = setting(
        "on the serial console: a login prompt, a root shell without a password, or neither", "none"
    )
    users: Mapping[AccountName, User] = setting(
        "user accounts; root can be one of them", dict, example={"alice": {"uid": 1000}}
    )
    instance: bool | None = setting(
        "the boot applies instance data: hostname, addresses, keys, secret files (howto/instances.md); by "
        "default if the machine has an ssh server",
        None,
    )
    groups: Mapping[AccountName, Group] = setting("groups", dict, example={"admins": {"gid": 1100}})
    nix: Nix = setting("Nix in the machine", Nix)
    disk: Disk | None = setting(
        "a drive for data that survives a reboot: Nix builds, /var, /root, the ssh host key", None
    )
    syslog: bool = setting("a daemon for /dev/log, which logs to /var/log/syslog", True)
    services: Mapping[ServiceName, Service] = setting(
        "the services: daemons of packages by their systemd units, and your own",
        dict,
        example={"nginx": {}, "web": {"run": "exec busybox httpd -f -h /tmp"}},
    )
    boot: Mapping[ScriptName, BootScript] = setting(
        "your scripts that run once at boot",
        dict,
        example={
            "firewall": {"run": "nft -f /etc/nftables.conf", "when": "before-network", "required": True}
        },
    )
    timers: Mapping[ScriptName, Timer] = setting(
        "scripts and systemd timers that run at certain times",
        dict,
        example={"backup": {"every": "day", "at": "03:00", "run": "tar cf /var/backup.tar /srv"}},
    )
    etc: Mapping[RelativePath, EtcFile] = setting("files in /etc", dict, example={"motd": {"text": "hello"}})
    alternatives: Mapping[AlternativeName, AlternativeChoice] = setting(
        "choices for generic names, in place of those with the highest priority (update-alternatives)",
        dict,
        example={"editor": "vim.tiny"},
    )
    setuid: tuple[ProgramName, ...] | None = setting(
        "programs that keep their setuid bit or their capabilities; by default those of the packages in this "
        "config",
        None,
        example=["sudo", "ping"],
    )
    files: Mapping[AbsolutePath, PlacedFile] = setting(
        "files, folders and links anywhere: read-only below /usr and /opt, writable elsewhere",
        dict,
        example={"/var/www": {"text": "hello"}},
    )
    remove: tuple[PathPattern, ...] = setting(
        "paths to leave out, of packages and of folders in `files`", (), example=["/usr/share/nginx/html"]
    )
    extensions: Mapping[ExtensionName, Extension] = setting(
        "code of this project: extensions/NAME.py beside the config, each with its settings (extending.md)",
        dict,
        example={"watchdog": {}},
    )
    kernel_params: tuple[KernelParam, ...] = setting(
        "parameters on the kernel's command line", lambda: (KernelParam("quiet"), KernelParam("panic=-1"))
    )
    vm: Vm = setting("the virtual machine that runvm.sh starts", Vm)
    build: Build = setting("settings for compiling on this host, and programs to build", Build)

"""The types of text and number in a config; types.py defines their forms."""

from typing import Literal, NewType

PackageName = NewType("PackageName", str)  # Debian policy 5.6.1
SuiteName = NewType("SuiteName", str)
ComponentName = NewType("ComponentName", str)
Url = NewType("Url", str)  # http:// or https://
SourceUrl = NewType("SourceUrl", str)  # of an archive besides the distribution's
ArchiveSuite = NewType("ArchiveSuite", str)  # a path below dists/; a flat repository's ends in a slash
PackagePattern = NewType("PackagePattern", str)  # a package's name with * and ?
Debs = NewType("Debs", str)  # a .deb, a folder or a glob, relative to its config; absolute once loaded
Hostname = NewType("Hostname", str)  # RFC 1123, one label
MachineName = NewType("MachineName", str)  # also the folder below build/, and QEMU's -name
ModuleName = NewType("ModuleName", str)  # with underscores, as in the kernel
KernelSymbol = NewType("KernelSymbol", str)  # of Kconfig, without CONFIG_
Sha256 = NewType("Sha256", str)
EnvironmentName = NewType("EnvironmentName", str)
CacheSize = NewType("CacheSize", str)  # like ccache's max_size: 5G
DiskSize = NewType("DiskSize", str)  # in powers of 1024: 10G
ScriptName = NewType("ScriptName", str)
Period = NewType("Period", str)  # a number of minutes, hours or days: 15m
TimeOfDay = NewType("TimeOfDay", str)  # 03:00
ServiceName = NewType("ServiceName", str)
ServiceUnit = NewType("ServiceUnit", str)  # a unit's name, or the path of a file; absolute once loaded
TimerUnit = NewType("TimerUnit", str)  # the same
UnitKey = NewType("UnitKey", str)  # a key of a unit's own section, or SECTION.KEY
VariableName = NewType("VariableName", str)  # of an environment variable
InterfaceName = NewType("InterfaceName", str)
IPv4Address = NewType("IPv4Address", str)
IPv4Interface = NewType("IPv4Interface", str)  # an address with its prefix length: 10.0.2.15/24
IPAddress = NewType("IPAddress", str)  # IPv4, or IPv6 in its shortest form
IPInterface = NewType("IPInterface", str)  # such an address with its prefix length
IPNetwork = NewType("IPNetwork", str)  # a network with its prefix length: 10.8.0.0/16
DeviceName = NewType("DeviceName", str)  # a network interface's name, or its MAC address in lower case
DomainName = NewType("DomainName", str)
LinkName = NewType("LinkName", str)  # a network that virtual machines share
SysctlName = NewType("SysctlName", str)  # with dots or slashes, as in sysctl.d(5)
ModuleOption = NewType("ModuleOption", str)
FileSystem = NewType("FileSystem", str)  # as in /proc/filesystems
MountPoint = NewType("MountPoint", str)  # an absolute path
MountSource = NewType("MountSource", str)  # a device, LABEL=, UUID=, a server's folder, or a word
LocaleName = NewType("LocaleName", str)
ZoneName = NewType("ZoneName", str)
KeymapName = NewType("KeymapName", str)
NameOrAddress = NewType("NameOrAddress", str)
PublicKey = NewType("PublicKey", str)  # a line of authorized_keys
RelativePath = NewType("RelativePath", str)  # below a root, without ".."
AbsolutePath = NewType("AbsolutePath", str)  # in the machine, without ".."
PathPattern = NewType("PathPattern", str)  # an absolute path that may contain * and ?
LinkTarget = NewType("LinkTarget", str)
AccountName = NewType("AccountName", str)  # of a user or a group, passwd(5)
PasswordHash = NewType("PasswordHash", str)  # crypt(5)
Mode = NewType("Mode", str)  # four octal digits, with setuid, setgid and sticky
Source = NewType("Source", str)  # a file or folder, relative to its config file; absolute once loaded
SourceFile = NewType("SourceFile", str)  # relative to its config file; absolute once loaded
SourceFolder = NewType("SourceFolder", str)  # the same
SourceTree = NewType("SourceTree", str)  # any folder, the same
BuildPath = NewType("BuildPath", str)  # below the folder of a build
FileMode = NewType("FileMode", str)  # four octal digits, "0644"
KernelParam = NewType("KernelParam", str)
ShellText = NewType("ShellText", str)
Glob = NewType("Glob", str)
ReadGlob = NewType("ReadGlob", str)  # below /etc, or absolute
ExtensionName = NewType("ExtensionName", str)  # of a Python module
NixSetting = NewType("NixSetting", str)  # a key of nix.conf
ProgramName = NewType("ProgramName", str)  # a file's name or its path
AlternativeName = NewType("AlternativeName", str)  # update-alternatives(1): "editor"
AlternativeChoice = NewType("AlternativeChoice", str)  # a path, a file's name or a package's name
Line = NewType("Line", str)  # text without a line break
Port = NewType("Port", int)

# debian/kinds.py has the paths of each.
FileKind = Literal[
    "doc",
    "man",
    "locales",
    "gconv",
    "headers",
    "completions",
    "cron",
    "logrotate",
    "defaults",
    "skel",
    "dhcp",
    "ifupdown",
    "ppp",
    "networkd",
    "networkmanager",
    "firewall",
    "apparmor",
    "debuggers",
    "systemd",
    "init",
    "packaging",
]

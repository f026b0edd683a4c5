"""The forms of the types of text and number in value_types.py, each with its name, form and pattern.

The loader checks values with them; the JSON Schema and the reference are generated from them. Patterns match
the whole text and mean the same in Python and in ECMA-262, which JSON Schema uses.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from notos.config import value_types
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Text:
    """A type of text; errors say "must be `name` (`form`)"."""

    name: str
    form: str = ""
    pattern: str = ""
    example: str = ""
    convert: Callable[[str, Path], str] | None = None
    """Converts the text, with the folder of its config, to the value.

    Raises ValueError with the reason, and OSError for a file that the user may not read.
    """
    on_host: bool = False
    """True if the text is a path on this host."""
    words: tuple[str, ...] = ()
    """All texts that `pattern` matches, if these are few."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A type of whole number, bounds included."""

    name: str = "a whole number"
    minimum: int | None = None
    maximum: int | None = None
    example: int | None = None

    @property
    def form(self) -> str:
        """The bounds in words."""
        match self.minimum, self.maximum:
            case None, None:
                return ""
            case low, None:
                return f"{low} or more"
            case None, high:
                return f"{high} or less"
            case low, high:
                return f"{low} to {high}"


def _source_file(text: str, folder: Path) -> str:
    path = _absolute(text, folder)
    if not path.is_file():
        raise ValueError(f"{folder / text} {'is not a file' if path.exists() else missing(path, text)}")
    path.open("rb").close()
    return str(path)


def _unit(text: str, folder: Path) -> str:
    """Return a unit's name, or the absolute path of its file."""
    return _source_file(text, folder) if "/" in text else text


def _source_folder(text: str, folder: Path) -> str:
    path = _absolute(text, folder)
    if not path.is_dir():
        raise ValueError(f"{folder / text} {'is not a folder' if path.exists() else missing(path, text)}")
    run = path / "run"
    if not run.is_file():
        raise ValueError(f"{folder / text} has no file named run")
    if not run.stat().st_mode & 0o111:
        raise ValueError(f"{folder / text / 'run'} is not executable; chmod +x it")
    for below, _, names in os.walk(path, onerror=_raise):
        for each in (Path(below, name) for name in names):
            if each.is_file():
                each.open("rb").close()
    return str(path)


def _source(text: str, folder: Path) -> str:
    path = _absolute(text, folder)
    if not path.exists():
        raise ValueError(f"{folder / text} {missing(path, text)}")
    if path.is_dir():
        os.scandir(path).close()
    elif path.is_file():
        path.open("rb").close()
    else:
        raise ValueError(f"{folder / text} is neither a file nor a folder")
    return str(path)


def _source_url(text: str, _folder: Path) -> str:
    scheme = text.partition(":")[0].lower()
    if scheme in ("file", "copy", "cdrom"):
        raise ValueError(
            f"{text} is a folder of this host; name its packages as system: {{packages: [deb: FOLDER]}}"
        )
    return text.rstrip("/")


def _debs(text: str, folder: Path) -> str:
    path = _absolute(text, folder)
    if not path.exists() and not (set(text) & set("*?[")):
        raise ValueError(f"{folder / text} {missing(path, text)}")
    return str(path)


def _source_tree(text: str, folder: Path) -> str:
    path = _absolute(text, folder)
    if not path.is_dir():
        raise ValueError(f"{folder / text} {'is not a folder' if path.exists() else missing(path, text)}")
    os.scandir(path).close()
    return str(path)


def _raise(error: OSError) -> None:
    raise error


def missing(path: Path, text: str) -> str:
    """Return the message for a `path` that does not exist, with a similar name from its folder if one exists.

    `text` is the path as the config spells it.
    """
    import difflib

    if text.startswith("~"):
        return "does not exist; ~ is not expanded in a config, write the whole path"
    try:
        names = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, 1)
    return f"does not exist; did you mean {near[0]}?" if near else "does not exist"


def _absolute(text: str, folder: Path) -> Path:
    return (folder / text).absolute()


def _module_name(text: str, _folder: Path) -> str:
    return text.replace("-", "_")  # like the kernel's build; modprobe accepts both


def _file_mode(text: str, _folder: Path) -> str:
    return text.zfill(4)


def _ip_address(text: str, _folder: Path) -> str:
    return _ip(text)


def _ip_interface(text: str, _folder: Path) -> str:
    address, _, length = text.partition("/")
    return f"{_ip(address)}/{length}"


def _ip_network(text: str, folder: Path) -> str:
    if text == "default":
        return text
    found = _ip_interface(text, folder)
    import ipaddress

    network = ipaddress.ip_interface(found).network
    if str(network) != found:
        raise ValueError(f"{text} has bits beyond its prefix length; write {network}")
    return found


def _ip(text: str) -> str:
    """Return an IP address in its shortest form. Raises ValueError."""
    if re.fullmatch(_ADDRESS, text):
        return text
    import socket

    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except OSError:
        raise ValueError(f"{text} is not an IP address") from None


def _device_name(text: str, _folder: Path) -> str:
    return text.lower() if ":" in text else text


def _mount_point(text: str, _folder: Path) -> str:
    if ".." in text.split("/") or "." in text.split("/"):
        raise ValueError(f"{text} has . or .. in it; write the whole path")
    return text


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
_LENGTH_4 = "(?:3[0-2]|[12]?[0-9])"
_IPV6 = "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
_LENGTH_6 = "(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PART = r"(?!\.\.?(?:/|$))[^/\x00-\x1f\x7f]{1,255}"
_PRINTABLE = r"[^\x00-\x1f\x7f]"
_UNIT = r"[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\@-]*)?"  # without its suffix, systemd.unit(5)
KEY_TYPES = (
    r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)"
    r"|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)"
)

# Those that notos/features/mounts.py can mount, and "none" for folders.
FILE_SYSTEMS = (
    *("9p", "bcachefs", "binfmt_misc", "bpf", "btrfs", "ceph", "cgroup", "cgroup2", "cifs", "configfs"),
    *(
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "erofs",
        "exfat",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "fusectl",
        "hfs",
    ),
    *("hfsplus", "hugetlbfs", "iso9660", "jfs", "minix", "mqueue", "msdos", "nfs", "nfs4", "nilfs2", "none"),
    *("ntfs3", "overlay", "proc", "pstore", "ramfs", "securityfs", "squashfs", "sysfs", "tmpfs", "tracefs"),
    *("udf", "vfat", "virtiofs", "xfs"),
)

TEXTS: Mapping[Any, Text] = {
    str: Text(name="text"),
    value_types.Line: Text(name="text of one line", pattern=f"{_PRINTABLE}*"),
    value_types.PackageName: Text(
        name="a package's name",
        form="two or more lower-case letters, digits, +, - and .",
        pattern="[a-z0-9][a-z0-9+.-]+",
        example="busybox",
    ),
    value_types.SuiteName: Text(
        name="a release's name",
        form="lower-case letters, digits and hyphens",
        pattern="[a-z][a-z0-9-]*",
        example="trixie",
    ),
    value_types.ComponentName: Text(
        name="an archive component",
        form="lower-case letters, digits and hyphens",
        pattern="[a-z][a-z0-9-]*",
        example="main",
    ),
    value_types.Url: Text(
        name="a URL",
        form="http:// or https://, without user, ? or #",
        pattern=r"https?://[A-Za-z0-9._:\[\]-]+(?:/[!$-;=A-Z_a-z~]*)?",
        example="http://mirror.example/debian",
    ),
    value_types.SourceUrl: Text(
        name="an archive's URL",
        form="http:// or https://, without user, ? or #",
        pattern=r"https?://[A-Za-z0-9._:\[\]-]+(?:/[!$-;=A-Z_a-z~]*)?|(?:file|copy|cdrom):.*",
        example="https://packages.example/debian",
        convert=_source_url,
    ),
    value_types.ArchiveSuite: Text(
        name="a suite of an archive",
        form="a name, or a path with a slash at its end; without ..",
        pattern=r"(?!(?:.*/)?\.\./)(?:[A-Za-z0-9._+~-]+/)*(?:[A-Za-z0-9][A-Za-z0-9._+~-]*/?)|\./|/",
        example="trixie-backports",
    ),
    value_types.PackagePattern: Text(
        name="a package's name or a pattern",
        form="lower-case letters, digits, +, - and .; * and ? match any characters",
        pattern="[a-z0-9*?][a-z0-9+.*?-]*",
        example="golang-*",
    ),
    value_types.Debs: Text(
        name="a path of .deb files",
        form="a file, a folder or a pattern, relative to its config file",
        pattern=f"{_PRINTABLE}+",
        example="./my.deb",
        convert=_debs,
        on_host=True,
    ),
    value_types.Hostname: Text(
        name="a host's name",
        form="letters, digits and inner hyphens, at most 63",
        pattern=_LABEL,
        example="notos",
    ),
    value_types.MachineName: Text(
        name="a machine's name",
        form="letters, digits and ._- after the first, at most 64",
        pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        example="notos",
    ),
    value_types.ModuleName: Text(
        name="a kernel module's name",
        form="letters, digits, _ and -, without .ko",
        pattern="[A-Za-z0-9_-]+",
        example="virtio_net",
        convert=_module_name,
    ),
    value_types.KernelSymbol: Text(
        name="a Kconfig symbol",
        form="letters, digits and _, without CONFIG_",
        pattern="(?!CONFIG_)[A-Za-z0-9_]+",
        example="EXT4_FS",
    ),
    value_types.Sha256: Text(
        name="a sha256",
        form="64 hexadecimal digits, in lower case",
        pattern="[0-9a-f]{64}",
        example="9141325315c7f1eca682113d185a8c77c82814aa6e32f7e127e61d6106403835",
    ),
    value_types.EnvironmentName: Text(
        name="an environment variable of ccache, distcc or icecc",
        form="CCACHE_, DISTCC_ or ICECC_ and capitals",
        pattern="(?:CCACHE|DISTCC|ICECC)_[A-Z0-9_]+",
        example="DISTCC_HOSTS",
    ),
    value_types.CacheSize: Text(
        name="a size",
        form="a number and M, G or T",
        pattern="[1-9][0-9]*[MGT]",
        example="5G",
    ),
    value_types.DiskSize: Text(
        name="a disk's size",
        form="a number and M, G or T, in powers of 1024; at least 64M",
        pattern="(?:6[4-9]|[7-9][0-9]|[1-9][0-9]{2,})M|[1-9][0-9]*[GT]",
        example="10G",
    ),
    value_types.ServiceName: Text(
        name="a service's name",
        form="letters, digits and ._- after the first, at most 64",
        pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        example="web",
    ),
    value_types.ServiceUnit: Text(
        name="a systemd service",
        form="the name of a unit, or the path of a file with a slash in it",
        pattern=rf"(?:{_PRINTABLE}*/)?{_UNIT}\.service",
        example="postgresql@17-main.service",
        convert=_unit,
    ),
    value_types.TimerUnit: Text(
        name="a systemd timer",
        form="the name of a unit, or the path of a file with a slash in it",
        pattern=rf"(?:{_PRINTABLE}*/)?{_UNIT}\.timer",
        example="logrotate.timer",
        convert=_unit,
    ),
    value_types.UnitKey: Text(
        name="a key of a systemd unit",
        form="such as LimitNOFILE, or Unit.After with the name of a section",
        pattern=r"(?:[A-Z][A-Za-z]*\.)?[A-Z][A-Za-z0-9]*",
        example="LimitNOFILE",
    ),
    value_types.VariableName: Text(
        name="the name of an environment variable",
        form="letters, digits and _",
        pattern="[A-Za-z_][A-Za-z0-9_]*",
        example="LANG",
    ),
    value_types.ScriptName: Text(
        name="a script's name",
        form="letters, digits and ._- after the first, at most 64",
        pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        example="firewall",
    ),
    value_types.Period: Text(
        name="a period",
        form="a number of at most 5 digits and m, h or d",
        pattern="[1-9][0-9]{0,4}[mhd]",
        example="15m",
    ),
    value_types.TimeOfDay: Text(
        name="a time of day",
        form="hours and minutes, 00:00 to 23:59",
        pattern="(?:[01][0-9]|2[0-3]):[0-5][0-9]",
        example="03:00",
    ),
    value_types.InterfaceName: Text(
        name="a network interface's name",
        form="letters, digits and ._- after the first, at most 15",
        pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,14}",
        example="eth0",
    ),
    value_types.IPv4Address: Text(name="an IPv4 address", pattern=_ADDRESS, example="10.0.2.2"),
    value_types.IPv4Interface: Text(
        name="an IPv4 address with its prefix length",
        pattern=f"{_ADDRESS}/{_LENGTH_4}",
        example="10.0.2.15/24",
    ),
    value_types.IPAddress: Text(
        name="an IP address", pattern=f"{_ADDRESS}|{_IPV6}", example="10.0.2.2", convert=_ip_address
    ),
    value_types.IPInterface: Text(
        name="an IP address with its prefix length",
        pattern=f"{_ADDRESS}/{_LENGTH_4}|{_IPV6}/{_LENGTH_6}",
        example="10.0.2.15/24",
        convert=_ip_interface,
    ),
    value_types.IPNetwork: Text(
        name="a network",
        form="an IP network with its prefix length, or default",
        pattern=f"default|{_ADDRESS}/{_LENGTH_4}|{_IPV6}/{_LENGTH_6}",
        example="10.8.0.0/16",
        convert=_ip_network,
    ),
    value_types.DeviceName: Text(
        name="a network interface",
        form="its name, at most 15 characters, or its MAC address in quotes",
        pattern="(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|[A-Za-z0-9][A-Za-z0-9._-]{0,14}",
        example="eth0",
        convert=_device_name,
    ),
    value_types.DomainName: Text(
        name="a domain's name",
        form="letters, digits, inner hyphens and dots, at most 253; between dots at most 63",
        pattern=rf"(?!.{{254}}){_LABEL}(?:\.{_LABEL})*",
        example="home.arpa",
    ),
    value_types.LinkName: Text(
        name="a network's name",
        form="letters, digits and ._- after the first, at most 64",
        pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        example="lan",
    ),
    value_types.SysctlName: Text(
        name="a kernel setting",
        form="names of /proc/sys with dots or slashes, as in sysctl.d(5)",
        pattern=r"[A-Za-z0-9_*:-]+(?:[./][A-Za-z0-9_*:@-]+)+",
        example="net.ipv4.ip_forward",
    ),
    value_types.ModuleOption: Text(
        name="a module's parameter",
        form="letters, digits, _, - and .",
        pattern="[A-Za-z0-9_.-]+",
        example="max_loop",
    ),
    value_types.FileSystem: Text(
        name="a file system's type",
        form=", ".join(FILE_SYSTEMS),
        pattern="|".join(FILE_SYSTEMS),
        example="ext4",
        words=FILE_SYSTEMS,
    ),
    value_types.MountPoint: Text(
        name="a mount point",
        form="an absolute path without blanks",
        pattern=r"(?:/[^/\s\x00-\x1f\x7f]+)+",
        example="/data",
        convert=_mount_point,
    ),
    value_types.MountSource: Text(
        name="what is mounted",
        form="a device, LABEL=NAME, UUID=ID, SERVER:/FOLDER or a word, without blanks",
        pattern=r"[^\s\x00-\x1f\x7f]+",
        example="/dev/vdc",
    ),
    value_types.LocaleName: Text(
        name="a locale",
        form="language, country and character set, as in `locale -a`",
        pattern=r"C(?:\.(?:UTF-8|utf8))?|POSIX|[a-z]{2,3}(?:_[A-Z]{2})?(?:\.[A-Za-z0-9-]+)?(?:@[A-Za-z0-9]+)?",
        example="de_DE.UTF-8",
    ),
    value_types.ZoneName: Text(
        name="a time zone",
        form="a path below /usr/share/zoneinfo",
        pattern="[A-Za-z0-9+_-]+(?:/[A-Za-z0-9+_-]+)*",
        example="Europe/Berlin",
    ),
    value_types.KeymapName: Text(
        name="a keymap",
        form="letters, digits and ._- after the first",
        pattern="[A-Za-z0-9][A-Za-z0-9._-]*",
        example="de",
    ),
    value_types.NameOrAddress: Text(
        name="a host's full name or an IPv4 address",
        form="letters, digits, inner hyphens and dots",
        pattern=rf"(?!.{{254}}){_LABEL}(?:\.{_LABEL})*",
        example="pool.ntp.org",
    ),
    value_types.PublicKey: Text(
        name="a public key",
        form="a line of authorized_keys, the contents of a .pub file",
        pattern=rf"(?:{_PRINTABLE}* )?{KEY_TYPES} AAAA[A-Za-z0-9+/]+={{0,2}}(?: {_PRINTABLE}*)?",
        example="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0CzXyqXs1g3nAJm0JvmVIk5vMZP9gKZ8r3d3sZrX9w you@host",
    ),
    value_types.RelativePath: Text(
        name="a path",
        form="relative to /etc, without a slash at either end and without . and ..",
        pattern=f"{_PART}(?:/{_PART})*",
        example="ssh/sshd_config",
    ),
    value_types.AbsolutePath: Text(
        name="an absolute path",
        form="without a slash at the end and without . and ..",
        pattern=f"(?:/{_PART})+",
        example="/var/www",
    ),
    value_types.PathPattern: Text(
        name="an absolute path",
        form="without a slash at the end and without . and ..; * and ? match any characters",
        pattern=f"(?:/{_PART})+",
        example="/usr/share/nginx/html",
    ),
    value_types.LinkTarget: Text(
        name="the target of a link",
        form="a path, at most 4095 characters",
        pattern=f"{_PRINTABLE}{{1,4095}}",
        example="/var/www",
    ),
    value_types.AccountName: Text(
        name="an account's name",
        form="letters, digits, _, - and ., a letter or _ first, at most 31",
        pattern="[A-Za-z_][A-Za-z0-9_.-]{0,30}",
        example="alice",
    ),
    value_types.PasswordHash: Text(
        name="the hash of a password",
        form="the output of `openssl passwd -6` or `mkpasswd`, in quotes",
        pattern=r"\$(?:y|gy|7|2[abxy]|6|5|1)\$[!-9;-~]{8,}",
        example="$6$salt$hash",
    ),
    value_types.Source: Text(
        name="the path of a file or folder",
        form="relative to its config file",
        pattern=f"{_PRINTABLE}+",
        example="site",
        convert=_source,
        on_host=True,
    ),
    value_types.SourceFile: Text(
        name="a file's path",
        form="relative to its config file",
        pattern=f"{_PRINTABLE}+",
        example="etc/motd",
        convert=_source_file,
        on_host=True,
    ),
    value_types.SourceFolder: Text(
        name="a folder's path",
        form="relative to its config file",
        pattern=f"{_PRINTABLE}+",
        example="services/web",
        convert=_source_folder,
        on_host=True,
    ),
    value_types.SourceTree: Text(
        name="a folder's path",
        form="relative to its config file",
        pattern=f"{_PRINTABLE}+",
        example="app",
        convert=_source_tree,
        on_host=True,
    ),
    value_types.BuildPath: Text(
        name="a path",
        form="relative to the source, without a slash at either end and without ..",
        pattern=rf"\.|{_PART}(?:/{_PART})*",
        example="app",
    ),
    value_types.FileMode: Text(
        name="a file's mode",
        form="three octal digits, with or without a leading 0, in quotes",
        pattern="0?[0-7]{3}",
        example="0644",
        convert=_file_mode,
    ),
    value_types.Mode: Text(
        name="a mode",
        form="three or four octal digits, in quotes",
        pattern="[0-7]{3,4}",
        example="0640",
        convert=_file_mode,
    ),
    value_types.KernelParam: Text(
        name="a kernel parameter",
        form="printable ASCII without single quotes; blanks only between double quotes",
        pattern='(?:[!#-&(-~]|"[ !#-&(-~]*")+',
        example="panic=-1",
    ),
    value_types.ShellText: Text(
        name="a shell script",
        form="not empty",
        pattern=r"[\s\S]*\S[\s\S]*",
        example="exec busybox httpd -f -h /tmp",
    ),
    value_types.ExtensionName: Text(
        name="an extension's name",
        form="lower-case letters, digits and _ after the first, at most 64",
        pattern="[a-z][a-z0-9_]{0,63}",
        example="watchdog",
    ),
    value_types.Glob: Text(
        name="a path pattern",
        form="without a leading slash",
        pattern=f"(?!/){_PRINTABLE}+",
        example="usr/bin/ssh-*",
    ),
    value_types.ReadGlob: Text(
        name="a path pattern",
        form="below /etc, or an absolute path",
        pattern=f"{_PRINTABLE}+",
        example="nginx/*",
    ),
    value_types.ProgramName: Text(
        name="a program",
        form="its name or its path",
        pattern="(?!-)[!-~]+",
        example="ping",
    ),
    value_types.AlternativeName: Text(
        name="the name of an alternative",
        form="printable ASCII without spaces and slashes",
        pattern="(?!-)[!-.0-~]+",
        example="editor",
    ),
    value_types.AlternativeChoice: Text(
        name="a choice of an alternative",
        form="a program's path or name",
        pattern="(?!-)[!-~]+",
        example="vim.tiny",
    ),
    value_types.NixSetting: Text(
        name="a nix.conf setting",
        form="lower-case letters, digits and hyphens",
        pattern="[a-z][a-z0-9-]*",
        example="max-jobs",
    ),
}

NUMBERS: Mapping[Any, Number] = {
    int: Number(),
    value_types.Port: Number(name="a port", minimum=1, maximum=65535, example=8080),
}

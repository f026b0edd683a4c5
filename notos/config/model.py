"""The machine that a config describes: frozen structs without logic.

The metadata of every field holds its description. loader.py loads YAML into these structs and schema.py
turns them into a JSON Schema, both from the annotations, so a key is added in one place. types.py defines
the form of each type of text (Hostname, FileMode, …).
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, Literal, NewType

from notos.architecture import AMD64, Architecture
from notos.structs import dataclass

PackageName = NewType("PackageName", str)  # Debian policy 5.6.1
SuiteName = NewType("SuiteName", str)
ComponentName = NewType("ComponentName", str)
Url = NewType("Url", str)  # http:// or https://
Hostname = NewType("Hostname", str)  # RFC 1123, one label
MachineName = NewType("MachineName", str)  # also the folder below build/, and QEMU's -name
ModuleName = NewType("ModuleName", str)  # with underscores, as in the kernel
KernelSymbol = NewType("KernelSymbol", str)  # of Kconfig, without CONFIG_
Sha256 = NewType("Sha256", str)
EnvironmentName = NewType("EnvironmentName", str)
CacheSize = NewType("CacheSize", str)  # like ccache's max_size: 5G
DiskSize = NewType("DiskSize", str)  # in powers of 1024: 10G
ServiceName = NewType("ServiceName", str)
InterfaceName = NewType("InterfaceName", str)
IPv4Address = NewType("IPv4Address", str)
IPv4Interface = NewType("IPv4Interface", str)  # an address with its prefix length: 10.0.2.15/24
NameOrAddress = NewType("NameOrAddress", str)
PublicKey = NewType("PublicKey", str)  # a line of authorized_keys
RelativePath = NewType("RelativePath", str)  # below a root, without ".."
SourceFile = NewType("SourceFile", str)  # relative to its config file; absolute once loaded
SourceFolder = NewType("SourceFolder", str)  # the same
FileMode = NewType("FileMode", str)  # four octal digits, "0644"
KernelParam = NewType("KernelParam", str)
ShellText = NewType("ShellText", str)
Glob = NewType("Glob", str)
ExtensionName = NewType("ExtensionName", str)  # of a Python module
NixSetting = NewType("NixSetting", str)  # a key of nix.conf
Line = NewType("Line", str)  # text without a line break
Port = NewType("Port", int)

# The architecture of all machines. With a second one this becomes a key of the config, and the defaults that
# follow from it are found as the config is read.
_TARGET = AMD64

SSH_PORT = Port(22)  # of the machine
HOST_SSH_PORT = Port(2222)  # of this host, unless the config names another


def setting(
    doc: str, default: Any = ..., *, example: Any = None, words: tuple[str, ...] = (), **limits: int
) -> Any:
    """Return a field of a struct: `doc` for the reference, and `minimum`/`maximum` for numbers.

    `words` are more words of a Literal that depend on the architecture. `example` is a value in the form of
    YAML, needed if neither the default nor the type has a useful one.
    """
    metadata = {"doc": doc, "example": example, "words": words, **limits}
    if default is ...:
        return field(metadata=metadata)
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Debian:
    """The Debian archive that packages come from."""

    suite: SuiteName = setting("the release; its -updates and -security suites are always included", "trixie")
    mirror: Literal["auto"] | Url = setting(
        "the archive's URL; auto uses this host's mirror (hosts.md)", "auto"
    )
    security_mirror: Literal["auto"] | Url = setting(
        "the security archive's URL; auto chooses the one that matches `mirror`", "auto"
    )
    components: tuple[ComponentName, ...] = setting("components of the archive", lambda: ("main",))


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package, with a choice of its files and dependencies.

    In YAML: a bare name, or a map with one key, `python3: {closure: depends}`.
    """

    BARE: ClassVar = "name"  # the field that a bare word stands for
    KEYED: ClassVar = True  # the value of that field may also be the only key of a map

    name: PackageName = setting("the package's name")
    closure: Literal["elf", "depends"] = setting(
        "elf: include the libraries that its programs need; depends: include all its dependencies", "elf"
    )
    only: tuple[Glob, ...] = setting(
        "include only files that match one of these patterns (usr/bin/ssh-*)", ()
    )
    exclude: tuple[Glob, ...] = setting("leave out files that match one of these patterns", ())


@dataclass(frozen=True, kw_only=True)
class KernelSource:
    """The source of a custom kernel: a Debian package or a tarball."""

    BARE: ClassVar = "package"

    package: PackageName | None = setting(
        "a Debian package with a tarball in usr/src", None, example="linux-source-6.12"
    )
    url: Url | None = setting("or the URL of a tarball: .tar, .tar.xz, .tar.gz or .tar.zst", None)
    sha256: Sha256 | None = setting("the tarball's sha256", None)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The kernel and its modules: from a Debian package or built from source."""

    package: PackageName = setting("Debian's kernel package", PackageName(_TARGET.kernel_package))
    source: KernelSource | None = setting("or the source of a custom kernel", None)
    base: Literal["tinyconfig", "defconfig"] | SourceFile = setting(
        "with source: the configuration to start from", "tinyconfig", words=_TARGET.defconfigs
    )
    fragments: tuple[SourceFile, ...] = setting(
        "with source: files of CONFIG_ lines, applied to `base` in this order", ()
    )
    options: Mapping[KernelSymbol, Literal["y", "m", "n"] | int | Line] = setting(
        "with source: symbols, applied last", dict, example={"EXT4_FS": "y"}
    )
    patches: tuple[SourceFile, ...] = setting(
        "with source: patches, applied in this order by `patch -p1`", ()
    )
    signing_key: SourceFile | None = setting(
        "with source: key and certificate (PEM) that sign modules; needs `options: {MODULE_SIG: y}`", None
    )
    modules: tuple[ModuleName, ...] = setting(
        "modules that stage-1 loads, in this order, before those for the root, the store, the network and "
        "the disk",
        (),
    )
    system_modules: tuple[ModuleName, ...] = setting(
        "additional modules for modprobe in the running system", ()
    )
    firmware: tuple[PackageName, ...] = setting(
        "packages with firmware that the modules load", (), example=["firmware-misc-nonfree"]
    )


@dataclass(frozen=True, kw_only=True)
class Initrd:
    """The initial RAM disk: stage-1, extra-utils and the modules."""

    packages: tuple[Package, ...] = setting(
        "packages of the programs of stage-1 (extra-utils)",
        lambda: (Package(name=PackageName("busybox-static")),),
    )
    compression_level: int = setting("zstd level; 0 is no compression", 19, minimum=0, maximum=22)


@dataclass(frozen=True, kw_only=True)
class System:
    """The contents of the machine's /usr."""

    packages: tuple[Package, ...] = setting("Debian packages, in addition to those of enabled features", ())
    compression: Literal["zstd", "none"] = setting(
        "compression of root.squashfs; with none the image is larger and an emulated machine boots faster",
        "zstd",
    )
    keep: tuple[Literal["doc", "man", "locales", "gconv"], ...] = setting(
        "kinds of files to keep, which are left out by default", ()
    )


@dataclass(frozen=True, kw_only=True)
class Network:
    """The first network interface."""

    BARE: ClassVar = "method"

    interface: InterfaceName = setting("the interface's name", InterfaceName("eth0"))
    method: Literal["static", "dhcp", "none"] = setting(
        "how the interface gets its address", "static", example="dhcp"
    )
    address: IPv4Interface | None = setting("with static: address and prefix length", None)
    gateway: IPv4Address | None = setting("with static: the default gateway", None)
    dns: tuple[IPv4Address, ...] = setting("name servers", ())


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """Remote login, by key only."""

    server: Literal["openssh", "dropbear", "none"] = setting("the ssh server", "openssh")
    authorized_keys: tuple[PublicKey, ...] = setting(
        "public keys for root in the image; your own key is not needed here, runvm.sh passes it at boot", ()
    )


@dataclass(frozen=True, kw_only=True)
class Nix:
    """Nix in the machine, managing its /nix/store."""

    enable: bool = setting("install nix and run its daemon", False)
    build_users: int = setting("number of nixbld users", 4, minimum=1, maximum=64)
    settings: Mapping[NixSetting, Line | int | bool] = setting(
        "lines of nix.conf", dict, example={"max-jobs": 2}
    )


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A drive for data that survives a reboot."""

    BARE: ClassVar = "size"

    size: DiskSize = setting("its size; it can grow later but not shrink")


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that runit keeps running."""

    run: ShellText | None = setting("its run script, a shell script that ends with exec", None)
    source: SourceFolder | None = setting("or a service folder: run, and optionally finish and others", None)
    packages: tuple[Package, ...] = setting("packages that it needs", ())
    reads: tuple[Glob, ...] = setting(
        "files below /etc (nginx/*) that it reads at its start; a switch restarts it if one changes",
        (),
        example=["nginx/*"],
    )
    log: bool = setting("log its output with svlogd, in /var/log/NAME", False)


@dataclass(frozen=True, kw_only=True)
class EtcFile:
    """A file in /etc."""

    text: str | None = setting("its contents", None)
    source: SourceFile | None = setting("or a file to copy", None)
    mode: FileMode = setting("its mode in octal, quoted", FileMode("0644"))


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension of this project, and its settings: a map whose keys the extension defines."""

    OPEN: ClassVar = True

    file: str  # its Python file, an absolute path
    settings: Any  # the struct that its code defines


@dataclass(frozen=True, kw_only=True)
class Ccache:
    """The compiler cache, shared by all checkouts."""

    enable: bool = setting("compile with ccache", True)
    size: CacheSize = setting("its maximum size", CacheSize("5G"))
    remote_storage: Line | None = setting("a cache shared by several hosts, in ccache's own syntax", None)


@dataclass(frozen=True, kw_only=True)
class Build:
    """Settings for compiling on this host; none of them changes the output."""

    jobs: int | None = setting(
        "number of parallel compilers; without it, one per processor", None, minimum=1, maximum=1024
    )
    ccache: Ccache = setting("the compiler cache", Ccache)
    compiler_prefix: Literal["none", "distcc", "icecc"] = setting(
        "a program that distributes compiling over several hosts", "none"
    )
    environment: Mapping[EnvironmentName, Line] = setting(
        "environment variables of these programs, such as DISTCC_HOSTS",
        dict,
        example={"DISTCC_HOSTS": "localhost"},
    )


@dataclass(frozen=True, kw_only=True)
class Vm:
    """The virtual machine that runvm.sh starts."""

    machine: Literal["q35", "microvm"] = setting(
        "QEMU's machine type: q35 has PCI and ACPI; microvm has neither, boots faster and needs a kernel "
        "built for it",
        "q35",
    )

    memory: int = setting("MiB of memory", 512, minimum=64, maximum=1048576)
    cpus: int = setting("number of processors", 1, minimum=1, maximum=255)
    forward: Mapping[Port, Port] = setting(
        "ports of this host's 127.0.0.1 and the machine's ports that they lead to; `2222: 22` is added if no "
        "entry leads to port 22, but not to `{}`",
        lambda: {HOST_SSH_PORT: SSH_PORT},
        example={8080: 80},
    )
    accel: Literal["auto", "kvm", "tcg"] = setting("QEMU's accelerator; auto is KVM if it works", "auto")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine as its config describes it."""

    target: ClassVar[Architecture] = _TARGET  # what it runs on; no key yet

    name: MachineName = setting("the machine's name, and the name of its folder in build/")
    debian: Debian = setting("the Debian archive that packages come from", Debian)
    kernel: Kernel = setting("the kernel and its modules", Kernel)
    initrd: Initrd = setting("the initial RAM disk", Initrd)
    system: System = setting("the contents of /usr", System)
    hostname: Hostname = setting("the hostname", Hostname("notos"))
    network: Network = setting(
        "the first network interface; `network: dhcp` and `network: none` need no further keys",
        lambda: Network(method="dhcp"),
    )
    time_servers: tuple[NameOrAddress, ...] = setting("NTP servers, queried once at boot", ())
    ssh: Ssh = setting("remote login", Ssh)
    nix: Nix = setting("Nix in the machine", Nix)
    disk: Disk | None = setting(
        "a drive for data that survives a reboot: Nix builds, /var, /root, the ssh host key", None
    )
    services: Mapping[ServiceName, Service] = setting(
        "your services", dict, example={"web": {"run": "exec busybox httpd -f -h /tmp"}}
    )
    etc: Mapping[RelativePath, EtcFile] = setting("files in /etc", dict, example={"motd": {"text": "hello"}})
    extensions: Mapping[ExtensionName, Extension] = setting(
        "code of this project: extensions/NAME.py beside the config, each with its settings (extending.md)",
        dict,
        example={"watchdog": {}},
    )
    kernel_params: tuple[KernelParam, ...] = setting(
        "parameters on the kernel's command line", lambda: (KernelParam("quiet"), KernelParam("panic=-1"))
    )
    vm: Vm = setting("the virtual machine that runvm.sh starts", Vm)
    build: Build = setting("settings for compiling on this host", Build)

"""The machine that a config describes: frozen structs, and nothing that reads or computes.

Every field says what it is in its metadata; config.py loads YAML into these structs and schema.py
turns them into a JSON Schema, both from the annotations, so a key is added in one place. What each
type of text (Hostname, FileMode, …) looks like is told in kinds.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NewType

PackageName = NewType("PackageName", str)  # Debian policy 5.6.1
SuiteName = NewType("SuiteName", str)
ComponentName = NewType("ComponentName", str)
Url = NewType("Url", str)  # http:// or https://
Hostname = NewType("Hostname", str)  # RFC 1123, one label
MachineName = NewType("MachineName", str)  # also the folder below build/, and QEMU's -name
ModuleName = NewType("ModuleName", str)  # with underscores, as the kernel has it
KernelSymbol = NewType("KernelSymbol", str)  # of Kconfig, without CONFIG_
Sha256 = NewType("Sha256", str)
EnvironmentName = NewType("EnvironmentName", str)
CacheSize = NewType("CacheSize", str)  # as ccache's max_size: 5G
DiskSize = NewType("DiskSize", str)  # in powers of 1024: 10G
ServiceName = NewType("ServiceName", str)
InterfaceName = NewType("InterfaceName", str)
IPv4Address = NewType("IPv4Address", str)
IPv4Interface = NewType("IPv4Interface", str)  # an address with its prefix length: 10.0.2.15/24
NameOrAddress = NewType("NameOrAddress", str)
PublicKey = NewType("PublicKey", str)  # a line as in authorized_keys
RelativePath = NewType("RelativePath", str)  # below a root, without ".."
SourceFile = NewType("SourceFile", str)  # relative to the config that says it; absolute once loaded
SourceFolder = NewType("SourceFolder", str)  # the same
FileMode = NewType("FileMode", str)  # four octal digits, "0644"
KernelParam = NewType("KernelParam", str)
ShellText = NewType("ShellText", str)
Glob = NewType("Glob", str)
ExtensionName = NewType("ExtensionName", str)  # of a Python module
NixSetting = NewType("NixSetting", str)  # a key of nix.conf
Line = NewType("Line", str)  # text without a line break
Port = NewType("Port", int)

SSH_PORT = Port(22)  # of the machine
HOST_SSH_PORT = Port(2222)  # of this host, where the config names none


def setting(doc: str, default: Any = ..., *, example: Any = None, **limits: int) -> Any:
    """Return a field of a struct: `doc` for the reference, and `minimum`/`maximum` for numbers.

    `example` is a value as YAML writes it, where the default is none and the type has no fitting one.
    """
    metadata = {"doc": doc, "example": example, **limits}
    if default is ...:
        return field(metadata=metadata)
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Debian:
    """Where packages come from."""

    suite: SuiteName = setting("the release; its -updates and -security are always used too", "trixie")
    mirror: Literal["auto"] | Url = setting(
        "the archive's address; auto takes this host's (hosts.md)", "auto"
    )
    security_mirror: Literal["auto"] | Url = setting(
        "the security archive's address; auto goes with `mirror`", "auto"
    )
    components: tuple[ComponentName, ...] = setting("parts of the archive", lambda: ("main",))


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package, and how much of it and of what it depends on is taken.

    In YAML a bare name, or a map of one: `python3: {closure: depends}`.
    """

    BARE: ClassVar = "name"  # the field that a bare word stands for
    KEYED: ClassVar = True  # which is the only key of a map besides

    name: PackageName = setting("the package's name")
    closure: Literal["elf", "depends"] = setting(
        "elf: the libraries that its programs need; depends: all that it depends on", "elf"
    )
    only: tuple[Glob, ...] = setting("take only files that match one of these (usr/bin/ssh-*)", ())
    exclude: tuple[Glob, ...] = setting("leave out files that match one of these", ())


@dataclass(frozen=True, kw_only=True)
class KernelSource:
    """The source that a kernel is built from: a Debian package, or a tarball."""

    BARE: ClassVar = "package"

    package: PackageName | None = setting(
        "a Debian package with a tarball in usr/src", None, example="linux-source-6.12"
    )
    url: Url | None = setting("or where a tarball is: .tar, .tar.xz, .tar.gz or .tar.zst", None)
    sha256: Sha256 | None = setting("the tarball's hash", None)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The kernel and its modules: Debian's, or one built from source."""

    package: PackageName = setting("Debian's kernel package", PackageName("linux-image-cloud-amd64"))
    source: KernelSource | None = setting("or what a kernel of your own is built from", None)
    base: Literal["tinyconfig", "defconfig", "x86_64_defconfig"] | SourceFile = setting(
        "source: the configuration to start from", "tinyconfig"
    )
    fragments: tuple[SourceFile, ...] = setting("source: files of CONFIG_ lines, laid on in this order", ())
    options: Mapping[KernelSymbol, Literal["y", "m", "n"] | int | Line] = setting(
        "source: symbols laid on last", dict, example={"EXT4_FS": "y"}
    )
    patches: tuple[SourceFile, ...] = setting("source: patches, applied in this order by `patch -p1`", ())
    signing_key: SourceFile | None = setting(
        "source: the key and certificate (PEM) that sign modules, with `options: {MODULE_SIG: y}`", None
    )
    modules: tuple[ModuleName, ...] = setting(
        "what stage-1 loads, in this order, before those that the root, the store, the network and the disk "
        "need",
        (),
    )
    system_modules: tuple[ModuleName, ...] = setting("what modprobe finds in the running system besides", ())
    firmware: tuple[PackageName, ...] = setting(
        "packages with the firmware that modules ask for", (), example=["firmware-misc-nonfree"]
    )


@dataclass(frozen=True, kw_only=True)
class Initrd:
    """The initial RAM disk: stage-1, extra-utils and the modules."""

    packages: tuple[Package, ...] = setting(
        "what extra-utils is made of", lambda: (Package(name=PackageName("busybox-static")),)
    )
    compression_level: int = setting("zstd's level; 0 leaves it as it is", 19, minimum=0, maximum=22)


@dataclass(frozen=True, kw_only=True)
class System:
    """What stands in the machine's /usr."""

    packages: tuple[Package, ...] = setting("Debian packages, besides those that features bring", ())
    compression: Literal["zstd", "none"] = setting(
        "of root.squashfs; none is larger, and starts faster where the processor is emulated", "zstd"
    )
    keep: tuple[Literal["doc", "man", "locales", "gconv"], ...] = setting(
        "what is otherwise left out of packages", ()
    )


@dataclass(frozen=True, kw_only=True)
class Network:
    """The first network interface."""

    BARE: ClassVar = "method"

    interface: InterfaceName = setting("its name", InterfaceName("eth0"))
    method: Literal["static", "dhcp", "none"] = setting("how it gets its address", "static", example="dhcp")
    address: IPv4Interface | None = setting("static: address and prefix length", None)
    gateway: IPv4Address | None = setting("static: the default route", None)
    dns: tuple[IPv4Address, ...] = setting("name servers", ())


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """Logging in from outside, by key only."""

    server: Literal["openssh", "dropbear", "none"] = setting("which server runs", "openssh")
    authorized_keys: tuple[PublicKey, ...] = setting(
        "keys baked into the image for root; runvm.sh hands over the user's own without this", ()
    )


@dataclass(frozen=True, kw_only=True)
class Nix:
    """Nix inside the machine, owning its /nix/store."""

    enable: bool = setting("whether nix and its daemon are there", False)
    build_users: int = setting("how many nixbld users", 4, minimum=1, maximum=64)
    settings: Mapping[NixSetting, Line | int | bool] = setting(
        "lines of nix.conf", dict, example={"max-jobs": 2}
    )


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A drive for what is to outlive a boot."""

    BARE: ClassVar = "size"

    size: DiskSize = setting("its size; it can be raised later, and not lowered")


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that runit keeps running."""

    run: ShellText | None = setting("its run script, a shell script that ends in exec", None)
    source: SourceFolder | None = setting("or a folder with run, and finish or others if need be", None)
    packages: tuple[Package, ...] = setting("what it needs", ())
    reads: tuple[Glob, ...] = setting(
        "files below /etc (nginx/*) that it reads as it starts: a switch restarts it where they change",
        (),
        example=["nginx/*"],
    )
    log: bool = setting("whether svlogd keeps what it prints, in /var/log/NAME", False)


@dataclass(frozen=True, kw_only=True)
class EtcFile:
    """A file in /etc."""

    text: str | None = setting("what it says", None)
    source: SourceFile | None = setting("or the file that is copied", None)
    mode: FileMode = setting("its mode, octal in quotes", FileMode("0644"))


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension of this project, and its settings: a map whose keys the extension defines."""

    OPEN: ClassVar = True

    file: str  # its Python file, an absolute path
    settings: Any  # the struct that its code defines


@dataclass(frozen=True, kw_only=True)
class Ccache:
    """The compiler's cache, below the cache that all checkouts share."""

    enable: bool = setting("whether it is used", True)
    size: CacheSize = setting("how large it may become", CacheSize("5G"))
    remote_storage: Line | None = setting("a cache that several hosts share, as ccache names it", None)


@dataclass(frozen=True, kw_only=True)
class Build:
    """How this host compiles; nothing here changes what is built."""

    jobs: int | None = setting(
        "how many compilers run at once; as many as cores", None, minimum=1, maximum=1024
    )
    ccache: Ccache = setting("the compiler's cache", Ccache)
    compiler_prefix: Literal["none", "distcc", "icecc"] = setting(
        "what hands compilers' work to other hosts", "none"
    )
    environment: Mapping[EnvironmentName, Line] = setting(
        "variables that these read: DISTCC_HOSTS and the like", dict, example={"DISTCC_HOSTS": "localhost"}
    )


@dataclass(frozen=True, kw_only=True)
class Vm:
    """The virtual machine that runvm.sh starts."""

    machine: Literal["q35", "microvm"] = setting(
        "QEMU's machine type: q35 has PCI and ACPI; microvm boots faster without, by a kernel made for it",
        "q35",
    )

    memory: int = setting("MiB of memory", 512, minimum=64, maximum=1048576)
    cpus: int = setting("processors", 1, minimum=1, maximum=255)
    forward: Mapping[Port, Port] = setting(
        "ports of this host's 127.0.0.1 to the machine's; `2222: 22` is added where none leads to the ssh "
        "server, but not to `{}`",
        lambda: {HOST_SSH_PORT: SSH_PORT},
        example={8080: 80},
    )
    accel: Literal["auto", "kvm", "tcg"] = setting("how QEMU executes; auto takes KVM where it works", "auto")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """All that one config says."""

    name: MachineName = setting("the machine's name, and its folder's below build/")
    debian: Debian = setting("where packages come from", Debian)
    kernel: Kernel = setting("the kernel and its modules", Kernel)
    initrd: Initrd = setting("the initial RAM disk", Initrd)
    system: System = setting("what stands in /usr", System)
    hostname: Hostname = setting("the machine's name for itself", Hostname("notos"))
    network: Network = setting(
        "the first network interface; `dhcp` and `none` may stand alone", lambda: Network(method="dhcp")
    )
    time_servers: tuple[NameOrAddress, ...] = setting("NTP servers asked once, at boot", ())
    ssh: Ssh = setting("logging in from outside", Ssh)
    nix: Nix = setting("Nix inside the machine", Nix)
    disk: Disk | None = setting(
        "a second drive, which keeps what is written: what Nix builds, /var, /root, the ssh host key", None
    )
    services: Mapping[ServiceName, Service] = setting(
        "services of your own", dict, example={"web": {"run": "exec busybox httpd -f -h /tmp"}}
    )
    etc: Mapping[RelativePath, EtcFile] = setting("files in /etc", dict, example={"motd": {"text": "hello"}})
    extensions: Mapping[ExtensionName, Extension] = setting(
        "code of this project: extensions/NAME.py beside the config, each with its settings (extending.md)",
        dict,
        example={"watchdog": {}},
    )
    kernel_params: tuple[KernelParam, ...] = setting(
        "more of the kernel's command line", lambda: (KernelParam("quiet"), KernelParam("panic=-1"))
    )
    vm: Vm = setting("the virtual machine that runvm.sh starts", Vm)
    build: Build = setting("how this host compiles", Build)

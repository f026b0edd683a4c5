"""A small signed archive for builds of whole machines. Packages are empty except for programs of the build.

busybox, depmod, ssh-keygen, bubblewrap and libfaketime are Debian's, with their libraries. The kernel is a
header and a few modules without code; a shell script in place of make makes the kernel from source.
"""

import hashlib
import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

from notos.architecture import AMD64
from notos.features import registry
from notos.formats import shared_libraries
from notos.formats.tree import Tree
from notos.kernel import requirements
from notos.system import contents
from notos.toolchain.tools_tree import ToolsTree
from tests.elf_builder import elf, module
from tests.every_machine import every_machine
from tests.signed_archive import Deb

# The real programs, and their packages.
REAL = {
    "bubblewrap": "usr/bin/bwrap",
    "busybox": "usr/bin/busybox",
    "kmod": "usr/bin/kmod",
    "libfaketime": "usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "openssh-client": "usr/bin/ssh-keygen",
}
OF_LIBC = ("libc.so.6", "libresolv.so.2", "libm.so.6", AMD64.loader_name)
OTHERS = "libc6, libothers"
RELEASE = "6.1.2+made-up"
MODULES = ("virtio_rng", "tun", "dummy")
DUMMY: dict[str, str | list[str]] = {"firmware": "dummy.bin", "parm": "numdummies:their number (int)"}
LIB = AMD64.libraries
UNITS = "usr/lib/systemd/system"

# The maintainer script of hello.
POSTINST = """#!/bin/sh
set -e
for each in hello goodbye; do
	update-alternatives --install /usr/bin/greeting greeting /usr/bin/$each 10
done
"""
# The compiler, assembler and linker of run-unit: the last word is the output.
COMPILE = b"""#!/bin/sh
for word; do output=$word; done
echo "made up" >"$output"
"""
PATCH = b"""#!/bin/sh
cat /source/Makefile /patch >/source/.new
mv /source/.new /source/Makefile
"""
MAKE = r"""#!/bin/sh
# A kernel's makefiles in a few lines: make … [KCONFIG_CONFIG=FILE] [INSTALL_MOD_PATH=FOLDER] TARGET
config=/build/.config
for word; do
	case $word in
	KCONFIG_CONFIG=*) config=${word#*=} ;;
	INSTALL_MOD_PATH=*) modules=${word#*=} ;;
	esac
	target=$word
done
case $target in
*config) if [ "$target" = olddefconfig ]; then
	sort -u "$config" >/build/.new
	mv /build/.new "$config"
else
	{
		cat /source/needed.config
		echo "CONFIG_BASE=\"$target\""
	} >"$config"
fi ;;
all)
	mkdir -p /build/arch/x86/boot /build/include/config
	cat /source/bzImage /source/Makefile /build/.config >/build/arch/x86/boot/bzImage
	if [ -e /key.pem ]; then cat /key.pem >>/build/arch/x86/boot/bzImage; fi
	echo @release@ >/build/include/config/kernel.release
	;;
modules_install)
	mkdir -p "$modules/lib/modules/@release@"
	cp -r /source/modules/* "$modules/lib/modules/@release@"
	;;
esac
"""

# openssl req -x509 -newkey ed25519 -subj "/CN=Made up"
_CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIIBJzCB2qADAgECAgEBMAUGAytlcDASMRAwDgYDVQQDDAdNYWRlIHVwMCAXDTI2
MTEyNzA5NDEwOVoYDzIxMjYxMTAzMDk0MTA5WjASMRAwDgYDVQQDDAdNYWRlIHVw
MCowBQYDK2VwAyEAdD04hnE/h4qh8kgbz/f/Kde/EBQvV5W3phLxU2OBeV+jUzBR
MB0GA1UdDgQWBBRIPtggNXJql7uQQs70hFwzbk8VwzAfBgNVHSMEGDAWgBRIPtgg
NXJql7uQQs70hFwzbk8VwzAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAABMaBlD
9T+0mtUa7q2TOrOqjbuiRYJTFVxIyzEqMbRqDn/tNTCKqJTkJJTSqjU2ZEPVRM8U
DfrdfwfPP1/AnwY=
-----END CERTIFICATE-----
"""


def debs(tree: ToolsTree) -> list[Deb]:
    """Return all packages that a machine may name; `tree` has the programs of the packages REAL."""
    root = tree.root
    libc: dict[str, bytes | str] = {f"usr{AMD64.loader}": _read(tree.loader)}
    others: dict[str, bytes | str] = {}
    programs = Tree.from_directory(root)
    for soname, path in shared_libraries.closure(programs, REAL.values(), AMD64).items():
        into = libc if soname in OF_LIBC else others
        into.setdefault(f"{LIB}/{soname}", _read(root / path))
    busybox = (root / "usr/bin/busybox").read_bytes()
    shell = {f"usr/bin/{name}": "busybox" for name in ("sh", "true", "cat", "sort", "mv", "mkdir", "cp")}
    sandbox: dict[str, bytes | str] = {
        "usr/bin/busybox": busybox,
        **shell,
        "usr/bin/make": MAKE.replace("@release@", RELEASE).encode(),
        "usr/bin/patch": PATCH,
        **{f"usr/bin/{name}": b"#!/bin/sh\necho made up\n" for name in ("gcc", "as", "ld")},
    }
    made = [
        Deb("libc6", files=libc),
        Deb("libothers", files=others, depends="libc6"),
        _program("busybox", {"usr/bin/busybox": busybox}),
        _program("busybox-static", {"usr/bin/busybox": busybox}),
        _program(
            "kmod", {"usr/bin/kmod": _read(root / "usr/bin/kmod"), "usr/sbin/depmod": "../bin/kmod"}, OTHERS
        ),
        _program(
            "openssh-client",
            {"usr/bin/ssh": elf("libc.so.6"), "usr/bin/ssh-keygen": _read(root / "usr/bin/ssh-keygen")},
            OTHERS,
        ),
        _program("bash", sandbox, OTHERS),
        _program("bubblewrap", {REAL["bubblewrap"]: _read(root / REAL["bubblewrap"])}, OTHERS),
        _program("libfaketime", {REAL["libfaketime"]: _read(root / REAL["libfaketime"])}),
        *_base(),
        *_features(busybox),
        *_compilers(),
        *_for_configs(busybox),
        Deb("linux-image-cloud-amd64", depends=f"linux-image-{RELEASE} (= 1)"),
        Deb("linux-image-virtual", depends=f"linux-image-{RELEASE}"),  # Ubuntu's
        Deb("linux-image-amd64", depends=f"linux-image-{RELEASE}-2 (= 1)"),
        Deb(f"linux-image-{RELEASE}", files=kernel(RELEASE)),
        Deb(f"linux-image-{RELEASE}-2", files=kernel(f"{RELEASE}-2")),
        Deb("linux-source-made-up", files={"usr/src/linux-source.tar": source("1")}),
        Deb("linux-source-other", files={"usr/src/linux-source.tar": source("2")}),
    ]
    named = {each.name for each in made}
    compilers = [*contents.COMPILERS.split(), *contents.CALLED.split()]
    return [*made, *(Deb(each) for each in compilers if each not in named)]


def _base() -> list[Deb]:
    tic = "usr/share/terminfo/x/xterm"
    return [
        Deb(
            "base-passwd",
            files={
                "usr/share/base-passwd/passwd.master": b"root:*:0:0:root:/root:/bin/bash\n"
                b"nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                "usr/share/base-passwd/group.master": b"root:*:0:\nsudo:*:27:\nnogroup:*:65534:\n",
            },
        ),
        Deb("ncurses-base", files={tic: b"xterm"}),
        Deb("ncurses-term", files={"usr/share/terminfo/f/foot": b"foot"}),
        Deb("kitty-terminfo", files={"usr/share/terminfo/x/xterm-kitty": b"kitty"}),
        Deb("netbase", files={"etc/protocols": b"tcp 6\n", "etc/services": b"ssh 22/tcp\n"}),
        _program("runit", {f"usr/bin/{each}": elf("libc.so.6") for each in ("sv", "svlogd", "runit")}),
    ]


def _features(program: bytes) -> list[Deb]:
    return [
        _program("openssh-server", {"usr/sbin/sshd": elf("libc.so.6"), "etc/ssh/moduli": b"2\n"}),
        _program("dropbear-bin", {"usr/sbin/dropbear": elf("libc.so.6")}),
        _program("nix-bin", {"usr/bin/nix": elf("libc.so.6")}),
        Deb("ca-certificates", files={"usr/share/ca-certificates/a.crt": _CERTIFICATE}),
        Deb("libc-bin", files={"usr/lib/locale/C.utf8/LC_CTYPE": b"C", "usr/bin/locale": b""}),
        Deb(
            "locales-all", files={f"usr/lib/locale/{each}.utf8/LC_CTYPE": b"" for each in ("de_DE", "fr_FR")}
        ),
        Deb("tzdata", files={f"usr/share/zoneinfo/Europe/{each}": b"TZif" for each in ("Berlin", "Paris")}),
        _program("kbd", {"usr/bin/loadkeys": program}),
        Deb("console-data", files={f"usr/share/keymaps/{each}.kmap.gz": b"" for each in ("de", "fr")}),
        _program("nfs-common", {"usr/sbin/mount.nfs": program}),
        _program("chrony", {"usr/sbin/chronyd": elf("libc.so.6")}),
        _program("e2fsprogs", {f"usr/sbin/{name}": program for name in ("mke2fs", "e2fsck", "resize2fs")}),
        Deb("qemu-system-data", files={"usr/share/qemu/bios.bin": b"bios"}),
        _program("qemu-system-x86", {"usr/bin/qemu-system-x86_64": elf("libc.so.6")}),
        Deb("seabios", files={"usr/share/seabios/bios.bin": b"bios"}),
    ]


def _compilers() -> list[Deb]:
    """Return the packages that compile run-unit."""
    gnu = AMD64.gnu
    musl = gnu.replace("-gnu", "-musl")
    return [
        Deb("cpp", files={f"usr/libexec/gcc/{gnu}/14/cc1": COMPILE}, depends="bash"),
        Deb("linux-libc-dev", files={"usr/include/linux/types.h": b""}),
        Deb("musl-dev", files={f"usr/include/{musl}/stdio.h": b"", f"usr/lib/{musl}/libc.a": b""}),
        Deb(
            f"binutils-{gnu.replace('_', '-')}",
            files={f"usr/bin/{gnu}-as": COMPILE, f"usr/bin/{gnu}-ld.bfd": COMPILE},
        ),
    ]


def _for_configs(program: bytes) -> list[Deb]:
    """Return the packages that only a config names."""
    return [
        Deb(
            "hello",
            files={
                "usr/bin/hello": program,
                "usr/bin/goodbye": program,
                **{f"usr/share/{each}/hello": each.encode() for each in ("doc/x", "man/man1", "locale/x")},
                f"{LIB}/gconv/hello.so": elf("libc.so.6"),
            },
            depends="libc6, hello-data",
            modes={"usr/bin/hello": 0o4755, "usr/bin/goodbye": 0o2755},
            scripts={"postinst": POSTINST},
        ),
        Deb(
            "greeter",
            files={
                "usr/sbin/greeter": program,
                f"{UNITS}/greeter.service": b"[Service]\nExecStart=/usr/sbin/greeter\n",
                f"{UNITS}/greeter@.service": b"[Service]\nExecStart=/usr/sbin/greeter %i\n",
                f"{UNITS}/greeter.timer": b"[Timer]\nOnCalendar=daily\n",
                f"{UNITS}/greeter-2.timer": b"[Timer]\nUnit=greeter.service\nOnCalendar=weekly\n",
            },
            depends="libc6",
        ),
        Deb("hello-data", files={"usr/share/hello/data": b"data"}),
        _program("udev", {"usr/bin/udevadm": program, "usr/lib/systemd/systemd-udevd": program}),
        Deb("libkmod2", files={"usr/share/libkmod2": b"read"}),
        _program("sudo", {"usr/bin/sudo": program, "etc/sudoers": b"@includedir /etc/sudoers.d\n"}),
        Deb("firmware-made-up", files={"usr/lib/firmware/dummy.bin": b"firmware"}),
    ]


def _program(name: str, files: Mapping[str, bytes | str], depends: str = "libc6") -> Deb:
    return Deb(name, files=files, depends=depends)


def _read(path: Path) -> bytes:
    return path.resolve().read_bytes()


def kernel(release: str) -> dict[str, bytes | str]:
    """Return the files of a kernel's package."""
    return {
        f"boot/vmlinuz-{release}": bzimage(release),
        f"boot/config-{release}": needed_config().encode(),
        **{f"usr/lib/modules/{release}/{path}": data for path, data in modules().items()},
    }


def bzimage(text: str) -> bytes:
    """Return the header of a bzImage (Documentation/arch/x86/boot.rst of the kernel), and `text`."""
    header = bytearray(0x400)
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<QI", header, 0x258, 1 << 24, 1 << 20)
    return bytes(header) + text.encode()


def needs() -> set[requirements.Requirement]:
    """Return the kernel requirements of all machines."""
    return {each for machine in every_machine(cpus=2) for each in registry.features(machine).requirements}


def needed_config() -> str:
    """Return a configuration with all required options: y, but m for drivers of devices."""
    lines = {each.symbol: "m" if each.module else "y" for each in needs()} | {"MODULES": "y"}
    return "".join(f"CONFIG_{symbol}={value}\n" for symbol, value in sorted(lines.items()))


def modules() -> dict[str, bytes | str]:
    """Return the files of /lib/modules/RELEASE: all modules that a machine may need, without code."""
    every = {*(each.module for each in needs()), *MODULES} - {""}
    files: dict[str, bytes | str] = {
        f"kernel/{name}.ko": module(**(DUMMY if name == "dummy" else {})) for name in sorted(every)
    }
    return {**files, "modules.builtin": b"", "modules.builtin.modinfo": b"", "modules.order": b""}


def source(version: str) -> bytes:
    """Return a tarball that MAKE accepts as a kernel source."""
    files: dict[str, bytes | str] = {
        "Makefile": f"VERSION = {version}\n".encode(),
        "scripts/kconfig/Makefile": b"",
        "needed.config": needed_config().encode(),
        "bzImage": bzimage(version),
        **{f"modules/{path}": data for path, data in modules().items()},
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        made: set[str] = set()
        for path, data in files.items():
            parts = path.split("/")
            for length in range(len(parts)):
                folder = "/".join(["linux", *parts[:length]])
                if folder not in made:
                    made.add(folder)
                    info = tarfile.TarInfo(folder)
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)
            assert isinstance(data, bytes)
            info = tarfile.TarInfo(f"linux/{path}")
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

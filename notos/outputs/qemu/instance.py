"""Instance data: a folder of this host that one machine of an image gets at boot.

    hostname               the host name
    network                addresses by interface, name servers
    authorized_keys        public keys that may log in as root
    authorized_keys.d/NAME the same for the account NAME
    credentials/NAME       secret files, for root
    credentials/NAME/FILE  secret files of the account NAME

The machine gets them as one tar archive (POSIX pax, "ustar Interchange Format"), whose first member is the
folder notos-instance/. That name is the label by which runit/boot/09-instance knows a drive with the archive.

runvm.sh runs a copy of this file with the host's python3, whatever its version:

    instance.py DIR                            write the archive to standard output, for a drive
    instance.py --pipe PROCESS INTERFACES DIR  make a named pipe with the archive, for -fw_cfg; print the
                                               options of `-netdev user` for an address in it, or a
                                               hyphen without an address, and the path of the pipe
    instance.py --drive PROCESS INTERFACES DIR the same with a file in memory, for -drive

Pipe and file are in a folder that only the user can read, and never on a command line. A process in the
background removes them when QEMU has opened them, or when PROCESS has ended.
INTERFACES are the names of those that QEMU's user network is connected to, separated by commas.
"""

from __future__ import annotations

import errno
import hashlib
import io
import ipaddress
import os
import re
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface
    Router = ipaddress.IPv4Address | ipaddress.IPv6Address

LABEL = "notos-instance"
LARGEST = 1 << 20  # bytes of a file
# Bytes of an archive in fw_cfg: the kernel reads it byte by byte, and for each page again from its start.
MOST = 128 << 10
_KNOWN = ("hostname", "network", "authorized_keys", "authorized_keys.d", "credentials")
_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # RFC 1123, one label
_NAME = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@.+-]{0,99}")  # of a credential
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
# Options are separated by commas. Blanks and # are in quotes, in which \" is a quote.
_OPTIONS = r"""(?:[^\s"#]|"(?:[^"\\]|\\.)*")+"""
_KEY = re.compile(rf"(?:{_OPTIONS}\s+)?(?:ssh|ecdsa|sk)-\S+\s+AAAA\S+(?:\s.*)?")
_FORMS = "NAME address ADDRESS/LENGTH [gateway ADDRESS], dns ADDRESS... or search DOMAIN..."
_MOST_DNS = 3  # resolv.conf(5), MAXNS

_USUAL = ipaddress.IPv4Interface("10.0.2.15/24")  # QEMU's default
_PREFIXES = range(8, 31)  # a smaller subnet has no room for three addresses
_HOST, _DNS = (2, 1, 3), (3, 2, 1)  # numbers of addresses in a subnet, in order of preference
_TICK = 0.02  # seconds between two looks whether QEMU reads the pipe


class InstanceError(Exception):
    """All mistakes in a folder, a line each."""


class Network:
    """The content of the file `network`, in the order of its lines.

    addresses  by interface
    gateways   by interface
    dns        name servers
    """

    def __init__(self) -> None:
        self.addresses: dict[str, list[Address]] = {}
        self.gateways: dict[str, list[Router]] = {}
        self.dns: list[str] = []
        self.search: list[str] = []

    def text(self) -> str:
        """Return it in the form that the machine reads: a line of an interface, with small letters."""
        lines = []
        for name, addresses in self.addresses.items():
            words = [f"address {each}" for each in addresses]
            words += [f"gateway {each}" for each in self.gateways.get(name, [])]
            lines.append(f"{name} {' '.join(words)}")
        for word, values in (("dns", self.dns), ("search", self.search)):
            lines += [f"{word} {' '.join(values)}"] if values else []
        return "".join(f"{line}\n" for line in lines)


class Instance:
    """The data of one machine: the contents of files by path below the folder."""

    def __init__(self, files: dict[str, bytes], network: Network) -> None:
        self.files = files
        self.network = network

    def vendor(self) -> str:
        """Return the first half of its cards' MAC addresses, which follows from the hostname; "" without one.

        56 is a locally administered address (IEEE 802, 8.2.2).
        """
        name = self.files.get("hostname", b"")
        return f"56:{hashlib.sha256(name).digest()[:2].hex(':')}" if name else ""

    def archive(self) -> bytes:
        """Return the tar archive. It is the same for the same files."""
        stream = io.BytesIO()
        folders = {LABEL, *(f"{LABEL}/{path.rpartition('/')[0]}" for path in self.files if "/" in path)}
        if any(path.startswith("credentials/") for path in self.files):
            folders.add(f"{LABEL}/credentials")
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted(folders):
                member = tarfile.TarInfo(name)
                member.type, member.mode = tarfile.DIRTYPE, 0o700
                tar.addfile(member)
            for path in sorted(self.files):
                member = tarfile.TarInfo(f"{LABEL}/{path}")
                member.size, member.mode = len(self.files[path]), 0o600
                tar.addfile(member, io.BytesIO(self.files[path]))
        return stream.getvalue()

    def user_network(self, interfaces: Iterable[str]) -> str:
        """Return the options of `-netdev user` for the first IPv4 address of one of these interfaces.

        It is empty without such an address.
        """
        for name in interfaces:
            for address in self.network.addresses.get(name, []):
                if address.version == 4:
                    routers = [each for each in self.network.gateways.get(name, []) if each.version == 4]
                    dns = [each for each in self.network.dns if ":" not in each]
                    return user_network(str(address), str(routers[0]) if routers else None, dns)
        return ""


def read(folder: Path) -> Instance:
    """Return the instance data in `folder`. Raises InstanceError with all mistakes; no secret is in it."""
    if not folder.is_dir():
        raise InstanceError(f"{folder} is not a folder; name the folder with the instance data")
    mistakes: list[str] = []
    files: dict[str, bytes] = {}
    for path in _paths(folder, mistakes):
        if path.name not in _KNOWN:
            mistakes.append(f"{path}: unknown file{_advice(path.name)}; the files are {', '.join(_KNOWN)}")
        elif path.name == "authorized_keys.d":
            for each in _paths(path, mistakes):
                if _ACCOUNT.fullmatch(each.name):
                    _take(each, folder, files, mistakes)
                else:
                    mistakes.append(f"{each}: a file here has the name of an account")
        elif path.name == "credentials":
            for each in _paths(path, mistakes):
                _take_credential(each, folder, files, mistakes)
        else:
            _take(path, folder, files, mistakes)
    network = Network()
    for name in sorted(files):
        mistakes += (f"{folder / name}{each}" for each in _understand(name, files, network))
    if not files and not mistakes:
        mistakes.append(f"{folder} has no instance data; the files are {', '.join(_KNOWN)}")
    if mistakes:
        raise InstanceError("\n".join(mistakes))
    return Instance(files, network)


def _understand(name: str, files: dict[str, bytes], network: Network) -> Iterator[str]:
    """Bring a file into the form that the machine reads; yield mistakes, to write after its path."""
    text = files[name].decode(errors="replace")
    if name == "hostname":
        if not _HOSTNAME.fullmatch(text.strip()):
            yield " must have one name: letters, digits and inner hyphens, at most 63"
        files[name] = f"{text.strip()}\n".encode()
    elif name == "network":
        yield from _parse(text, network)
        files[name] = network.text().encode()
    elif name.startswith("authorized_keys"):
        yield from _keys(text)


def _paths(folder: Path, mistakes: list[str]) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except NotADirectoryError:
        mistakes.append(f"{folder} must be a folder")
    except OSError as error:
        mistakes.append(f"{folder} cannot be read: {error.strerror}")
    return []


def _take_credential(path: Path, folder: Path, files: dict[str, bytes], mistakes: list[str]) -> None:
    """Read a credential, or a folder of an account's credentials."""
    if path.is_dir() and path.parent.parent == folder:
        if not _ACCOUNT.fullmatch(path.name):
            mistakes.append(f"{path}: a folder here has the name of an account")
            return
        for each in _paths(path, mistakes):
            _take_credential(each, folder, files, mistakes)
    elif _NAME.fullmatch(path.name):
        _take(path, folder, files, mistakes)
    else:
        form = "letters, digits and _@.+-, at most 100, and no dot or hyphen first"
        mistakes.append(f"{path}: the name of a credential has {form}")


def _take(path: Path, folder: Path, files: dict[str, bytes], mistakes: list[str]) -> None:
    """Read a file into `files`, by its path below `folder`."""
    if not path.is_file():
        mistakes.append(f"{path} is not a file")
        return
    try:
        size = path.stat().st_size
        if size > LARGEST:
            mistakes.append(f"{path} is too large: {size} bytes, and the maximum is {LARGEST}")
        else:
            files[str(path.relative_to(folder))] = path.read_bytes()
    except OSError as error:
        mistakes.append(f"{path} cannot be read: {error.strerror}")


def _advice(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, _KNOWN, 1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _keys(text: str) -> Iterator[str]:
    """Yield mistakes in authorized keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT")."""
    found = False
    for number, line in enumerate(text.splitlines(), 1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        found = True
        if not _KEY.fullmatch(key):
            # The line is not quoted: it may be a private key by mistake.
            yield f":{number}: this is not a public key; copy the line of ~/.ssh/id_ed25519.pub"
            if key.startswith("----"):
                return  # the first line of a key in another form, such as PEM: the others belong to it
    if not found:
        yield " has no public key"


def _parse(text: str, network: Network) -> Iterator[str]:
    """Read the lines of `network`; yield mistakes, each after its line's number."""
    numbers: dict[Router, int] = {}  # of the lines of gateways
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield from (f":{number}: {mistake}" for mistake in _line(words, network))
            for routers in network.gateways.values():
                numbers.update((each, number) for each in routers if each not in numbers)
    for name, routers in network.gateways.items():
        if name not in network.addresses:
            yield f":{numbers[routers[0]]}: {name} has a gateway and no address"
            continue
        for router in routers:
            # The address may come after the gateway, or be that of another interface.
            if any(router == each.ip for addresses in network.addresses.values() for each in addresses):
                yield f":{numbers[router]}: the gateway {router} is the machine's own address"
            elif not _reached(router, network.addresses[name]):
                yield f":{numbers[router]}: the gateway {router} is not in the subnet of an address of {name}"


def _line(words: list[str], network: Network) -> Iterator[str]:
    """Read one line; yield its mistakes."""
    name, rest = words[0], words[1:]
    if name == "dns":
        for each in rest:
            try:
                network.dns.append(str(_address(each)))
            except ValueError as error:
                yield str(error)
        if not rest or len(network.dns) > _MOST_DNS:
            yield f"dns takes one to {_MOST_DNS} addresses"
    elif name == "search":
        network.search += rest
        if not rest or not all(_DOMAIN.fullmatch(each) for each in rest):
            yield "search takes domains, as search example.org"
    elif not rest or len(rest) % 2 or any(each not in ("address", "gateway") for each in rest[::2]):
        yield f"a line is {_FORMS}"
    else:
        name = name.lower() if _MAC.fullmatch(name.lower()) else name
        if not _MAC.fullmatch(name) and not _INTERFACE.fullmatch(name):
            yield f"{name} is not the name of an interface or a MAC address, as eth0"
            return
        for kind, value in zip(rest[::2], rest[1::2]):  # noqa: B905 — strict= needs Python 3.10
            try:
                if "%" in value:
                    raise ValueError(f"{value}: leave out the scope after %; the interface is {name}")
                if kind == "address":
                    network.addresses.setdefault(name, []).append(_interface(value, name, network))
                else:
                    _gateway(value, name, network)
            except ValueError as error:
                yield str(error)


def _address(text: str) -> Router:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text} is not an IP address") from None


def _interface(text: str, name: str, network: Network) -> Address:
    """Return an address with its prefix length, which no other interface has. Raises ValueError."""
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{text} is not an address with a length, as 192.168.1.10/24") from None
    if "/" not in text or not text.rpartition("/")[2].isdigit():
        raise ValueError(f"{text} lacks the length of its subnet; write {text.partition('/')[0]}/24")
    net = found.network
    own = net.network_address, (net.broadcast_address if found.version == 4 else None)
    if net.prefixlen < net.max_prefixlen - 1 and found.ip in own:
        kind = "own" if found.ip == own[0] else "broadcast"
        raise ValueError(f"{text} is the subnet's {kind} address, not a host's")
    for other, addresses in network.addresses.items():
        if any(each.ip == found.ip for each in addresses):
            raise ValueError(f"{text} is an address of {other} already")
    return found


def _gateway(text: str, name: str, network: Network) -> None:
    found = _address(text)
    others = [each for routers in network.gateways.values() for each in routers]
    if any(each.version == found.version for each in others):
        raise ValueError(f"{text} is a second default gateway for IPv{found.version}")
    network.gateways.setdefault(name, []).append(found)


def _reached(router: Router, addresses: list[Address]) -> bool:
    """Return True if a router is in a subnet, link-local, or if a single address makes it one on the link."""
    same = [each for each in addresses if each.version == router.version]
    if router.version == 6 and router.is_link_local:
        return True
    return any(each.network.num_addresses == 1 or router in each.network for each in same)


# QEMU's user network ----------------------------------------------------------------------------------


def user_network(address: str | None, gateway: str | None, dns: Iterable[str]) -> str:
    """Return the options of `-netdev user` for a machine with this IPv4 address, its router and name servers.

    `address` has the length of its subnet. Without an address, or if the subnet has no room for three, they
    are QEMU's defaults.
    """
    own = ipaddress.IPv4Interface(address) if address else _USUAL
    if own.network.prefixlen not in _PREFIXES:
        own, gateway, dns = _USUAL, None, ()
    net = own.network
    routers = [ipaddress.IPv4Address(each) for each in ((gateway,) if gateway else ())]
    inside = [each for each in routers if each in net]
    servers = [each for each in map(ipaddress.IPv4Address, dns) if each in net]
    # QEMU needs two different addresses and routes by either: if the gateway is also the name server, it must
    # be the address that answers DNS.
    taken = [] if set(inside) & set(servers) else inside
    server = _first([*servers, *(net[number] for number in _DNS)], [own.ip, *taken])
    host = _first([*inside, *(net[number] for number in _HOST)], [own.ip, server])
    words = [f"net={net}", f"host={host}", f"dns={server}"]
    return ",".join(words if own == _USUAL else [*words, f"dhcpstart={own.ip}"])


def _first(
    wanted: Iterable[ipaddress.IPv4Address], taken: Iterable[ipaddress.IPv4Address]
) -> ipaddress.IPv4Address:
    used = set(taken)
    return next(each for each in wanted if each not in used)


# The way to QEMU --------------------------------------------------------------------------------------


def pipe(data: bytes, process: int) -> Path:
    """Return the path of a new named pipe that a process in the background fills with `data`, once."""
    path = Path(tempfile.mkdtemp(prefix="notos-")) / "instance"
    os.mkfifo(path, 0o600)
    _in_background(lambda: _fill(path, data, process), path)
    return path


def drive(data: bytes, process: int) -> Path:
    """Return the path of a new file with `data`, in memory if this host has /dev/shm.

    A process in the background removes it when `process` has opened it.
    """
    memory = "/dev/shm"
    place = memory if os.access(memory, os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="notos-", dir=place)) / "instance"
    path.touch(0o600)
    path.write_bytes(data)
    _in_background(lambda: _wait_until_open(path, process), path)
    return path


def _in_background(work: Callable[[], None], path: Path) -> None:
    """Do `work` in another process, then remove `path` and its folder."""
    if os.fork():
        return
    with suppress(OSError):
        # Release the descriptors of the caller, who waits for their end.
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.setsid()
        work()
    with suppress(OSError):
        path.unlink()
        path.parent.rmdir()
    os._exit(0)


def _fill(path: Path, data: bytes, process: int) -> None:
    """Write `data` to a pipe when a reader has opened it. Raises OSError if `process` ends first."""
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        os.kill(process, 0)
        time.sleep(_TICK)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _wait_until_open(path: Path, process: int) -> None:
    """Wait until `process` has opened the file. Raises OSError if it ends first."""
    while True:
        for each in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):
                if os.readlink(each) == str(path):
                    return
        time.sleep(_TICK)


def main(words: list[str]) -> int:
    """Run the command line; print mistakes, a line each. Return the exit status."""
    way = words[0] if len(words) == 4 else ""
    if way not in ("--pipe", "--drive") and len(words) != 1:
        print("usage: instance.py DIR >FILE", file=sys.stderr)
        return 2
    try:
        instance = read(Path(words[-1]))
        data = instance.archive()
        if way == "--pipe" and len(data) > MOST:
            raise InstanceError(f"{words[-1]} has {len(data)} bytes in all, and the maximum is {MOST}")
    except InstanceError as error:
        for line in str(error).splitlines():
            print(f"instance data: {line}", file=sys.stderr)
        return 1
    if way:
        path = (pipe if way == "--pipe" else drive)(data, int(words[1]))
        print(instance.user_network(words[2].split(",")) or "-", instance.vendor() or "-", path)
    elif sys.stdout.isatty():
        print("instance data: the archive goes to a file; add >FILE", file=sys.stderr)
        return 2
    else:
        sys.stdout.buffer.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

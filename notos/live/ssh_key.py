"""The ssh keys of a user and of the user's machines: made once, in the cache, never in an image.

<cache>/ssh/id_ed25519, .pub     the login key; runvm.sh passes the public key, and ~/.ssh/*.pub, to machines
<cache>/ssh/host_ed25519, .pub   the host key of this user's machines
<cache>/ssh/known_hosts          the known hosts of `./doit ssh`
"""

from dataclasses import dataclass
from pathlib import Path

from notos import atomic
from notos.cache import Cache
from notos.errors import ToolError
from notos.host import folders
from notos.process import run
from notos.toolchain.tools_tree import ToolsTree

HOST = "notos"  # the machines' name in known_hosts, whatever their port
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Keys:
    """The key files that runvm.sh passes to machines."""

    login: Path  # public
    host: Path


def ensure(cache: Cache, tools: ToolsTree) -> Keys:
    """Return the keys; make them if they are missing. `tools` has ssh-keygen. Raises ToolError."""
    folder = cache.root / "ssh"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    login_key, host = folder / "id_ed25519", folder / "host_ed25519"
    for key in (login_key, host):
        if not key.exists():
            _make(key, tools)
    known = "".join(f"{name} {_public(host).read_text()}" for name in (HOST, "*"))
    atomic.write(folder / "known_hosts", known)
    return Keys(_public(login_key), host)


def pair(cache: Cache) -> tuple[Path, str]:
    """Return the path of the login key and the public host key of machines. Raises ToolError."""
    folder = cache.root / "ssh"
    try:
        return folder / "id_ed25519", _public(folder / "host_ed25519").read_text()
    except FileNotFoundError:
        raise ToolError(f"there are no keys in {folder} yet", hint="./doit runvm makes them") from None


@dataclass(frozen=True)
class Address:
    """The address of a machine's ssh server: a port of this host (`host` is empty) or of another host."""

    host: str
    port: str

    def __str__(self) -> str:
        return f"{self.host or LOCAL}:{self.port}"


def login(cache: Cache, tools: ToolsTree, address: Address, *options: str) -> list[str]:
    """Return the command line that logs in as root to the machine at `address`; its last word is the host.

    A machine behind a port of this host must have the host key that runvm.sh passes. A machine on another
    host may belong to another user: it must have that key or be in the user's own known_hosts.
    """
    folder = cache.root / "ssh"
    known = [str(folder / "known_hosts")]
    identity: list[str] = ["-o", f"HostKeyAlias={HOST}"]
    if address.host:
        known.append(str(folders.home() / ".ssh/known_hosts"))
        identity = [
            word
            for path in sorted((folders.home() / ".ssh").glob("id_*.pub"))
            for word in ("-i", str(path.with_suffix("")))
        ]
    return [
        *tools.command("ssh"),
        *("-F", "none", "-i", str(folder / "id_ed25519"), *identity, "-p", address.port),
        *("-o", "UserKnownHostsFile=" + " ".join(f'"{path}"' for path in known)),
        *("-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR", *options),
        f"root@{address.host or LOCAL}",
    ]


def _make(key: Path, tools: ToolsTree) -> None:
    with atomic.scratch(key.parent) as scratch:
        made = scratch / "key"
        run([*tools.command("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "notos", "-f", made])
        # Durable: running machines accept only this key.
        atomic.move(_public(made), _public(key), durable=True)
        atomic.move(made, key, mode=0o600, durable=True)


def _public(key: Path) -> Path:
    return key.with_suffix(".pub")

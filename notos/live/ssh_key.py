"""Keys between a user and machines of their own: made once in the cache, never in an image.

<cache>/ssh/id_ed25519, .pub     the user logs in by it; runvm.sh hands the public key to the machine, and
                                 those of ~/.ssh
<cache>/ssh/host_ed25519, .pub   machines of this user are known by it
<cache>/ssh/known_hosts          what `./doit ssh` believes
"""

from dataclasses import dataclass
from pathlib import Path

from notos import atomic
from notos.cache import Cache
from notos.errors import ToolError
from notos.host import folders
from notos.process import run
from notos.toolchain.tools_tree import ToolsTree

HOST = "notos"  # what machines are called in known_hosts, whatever port they are behind
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Keys:
    """Files that runvm.sh hands over."""

    login: Path  # public
    host: Path


def ensure(cache: Cache, tools: ToolsTree) -> Keys:
    """The keys, made if there are none. `tools` has ssh-keygen. Raises ToolError."""
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
    """Where the key to log in by is, and the public key that machines are known by. Raises ToolError."""
    folder = cache.root / "ssh"
    try:
        return folder / "id_ed25519", _public(folder / "host_ed25519").read_text()
    except FileNotFoundError:
        raise ToolError(f"there are no keys in {folder} yet", hint="./doit runvm makes them") from None


@dataclass(frozen=True)
class Address:
    """Where a machine's ssh server is: behind a port of this host (`host` is empty), or on another."""

    host: str
    port: str

    def __str__(self) -> str:
        return f"{self.host or LOCAL}:{self.port}"


def login(cache: Cache, tools: ToolsTree, address: Address, *options: str) -> list[str]:
    """The words that log in as root to the machine at `address`, the host's name last.

    A machine behind a port of this host has the key that runvm.sh hands it, and no other. One elsewhere may
    have been started by somebody else: it has to be in the user's own known_hosts, or have that key too.
    """
    folder = cache.root / "ssh"
    known = [str(folder / "known_hosts")]
    who: list[str] = ["-o", f"HostKeyAlias={HOST}"]
    if address.host:
        known.append(str(folders.home() / ".ssh/known_hosts"))
        who = [
            word
            for path in sorted((folders.home() / ".ssh").glob("id_*.pub"))
            for word in ("-i", str(path.with_suffix("")))
        ]
    return [
        *tools.command("ssh"),
        *("-F", "none", "-i", str(folder / "id_ed25519"), *who, "-p", address.port),
        *("-o", "UserKnownHostsFile=" + " ".join(f'"{path}"' for path in known)),
        *("-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR", *options),
        f"root@{address.host or LOCAL}",
    ]


def _make(key: Path, tools: ToolsTree) -> None:
    with atomic.scratch(key.parent) as scratch:
        made = scratch / "key"
        run([*tools.command("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "notos", "-f", made])
        # Durable: running machines know this key, and let nobody in with another.
        atomic.move(_public(made), _public(key), durable=True)
        atomic.move(made, key, mode=0o600, durable=True)


def _public(key: Path) -> Path:
    return key.with_suffix(".pub")

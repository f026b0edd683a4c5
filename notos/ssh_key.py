"""Keys between a user and machines of their own: made once in the cache, never in an image.

<cache>/ssh/id_ed25519, .pub     the user logs in by it
<cache>/ssh/host_ed25519, .pub   machines of this user are known by it
<cache>/ssh/authorized_keys      ours and the user's own, which runvm.sh hands to the machine
<cache>/ssh/known_hosts          what `doit ssh` believes
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from notos.cache import Cache
from notos.run import run
from notos.tools import ToolsTree

HOST = "notos"  # what machines are called in known_hosts, whatever port they are behind


@dataclass(frozen=True)
class Keys:
    """Files that runvm.sh hands over."""

    authorized: Path
    host: Path


def ensure(cache: Cache, tools: ToolsTree) -> Keys:
    """The keys, made if there are none. `tools` has ssh-keygen. Raises ToolError."""
    folder = cache.root / "ssh"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    login_key, host = folder / "id_ed25519", folder / "host_ed25519"
    for key in (login_key, host):
        if not key.exists():
            _make(key, tools)
    own = sorted((Path.home() / ".ssh").glob("id_*.pub"))
    readable = [path for path in (_public(login_key), *own) if os.access(path, os.R_OK)]
    _write(folder / "authorized_keys", "".join(f"{path.read_text().strip()}\n" for path in readable))
    _write(folder / "known_hosts", f"{HOST} {_public(host).read_text()}")
    return Keys(folder / "authorized_keys", host)


def login(cache: Cache, tools: ToolsTree, port: str) -> list[str]:
    """The words that log in as root to the machine behind `port` of this host."""
    folder = cache.root / "ssh"
    return [
        *tools.command("ssh"),
        *("-F", "none", "-i", str(folder / "id_ed25519"), "-p", port),
        *("-o", f"HostKeyAlias={HOST}", "-o", f"UserKnownHostsFile={folder / 'known_hosts'}"),
        *("-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"),
        "root@127.0.0.1",
    ]


def _make(key: Path, tools: ToolsTree) -> None:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=key.parent) as scratch:
        made = Path(scratch, "key")
        run([*tools.command("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "notos", "-f", made])
        _public(made).replace(_public(key))
        made.replace(key)


def _public(key: Path) -> Path:
    return key.with_suffix(".pub")


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)

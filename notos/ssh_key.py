"""The key by which a user logs in to machines of their own: made once in the cache, never in an image.

<cache>/ssh/id_ed25519, .pub     ours
<cache>/ssh/authorized_keys      ours and the user's own, which runvm.sh hands to the machine
"""

import os
import tempfile
from pathlib import Path

from notos.cache import Cache
from notos.run import run
from notos.tools import ToolsTree


def ensure(cache: Cache, tools: ToolsTree) -> Path:
    """The file of public keys, with the key made if there is none. `tools` has ssh-keygen."""
    folder = cache.root / "ssh"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = folder / "id_ed25519"
    if not key.exists():
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
            made = Path(scratch, "key")
            run([*tools.command("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "notos", "-f", made])
            made.with_suffix(".pub").replace(key.with_suffix(".pub"))
            made.replace(key)
    own = sorted((Path.home() / ".ssh").glob("id_*.pub"))
    lines = [path.read_text().strip() for path in (key.with_suffix(".pub"), *own) if os.access(path, os.R_OK)]
    keys = folder / "authorized_keys"
    beside = folder / ".authorized_keys.new"
    beside.write_text("".join(f"{line}\n" for line in lines))
    beside.replace(keys)
    return keys


def login(cache: Cache, tools: ToolsTree, port: str) -> list[str]:
    """The words that log in as root to the machine behind `port` of this host.

    Its host key is not remembered: it is made anew at each boot, and the way to it never leaves this
    host.
    """
    return [
        *tools.command("ssh"),
        *("-F", "none", "-i", str(cache.root / "ssh/id_ed25519"), "-p", port),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
        "root@127.0.0.1",
    ]

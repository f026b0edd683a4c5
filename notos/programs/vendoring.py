"""Modules of Rust and Go programs, fetched by their own package managers and verified by the lock files.

    <cache>/vendored/<key>/…    the key is a hash of the lock files

cargo compares each crate with the checksum in Cargo.lock, and go each module with go.sum. They know their
registries and the user's configuration, and run in a sandbox with a network, without any code of modules.
"""

import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from notos import atomic
from notos.cache import Cache
from notos.errors import FetchError, HostError
from notos.host.proxy import ENVIRONMENT
from notos.process import follow
from notos.programs.kinds import failed
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

_LAST_LINES = 14
_CONFIG = "config.toml"
_LIMIT = 1800  # seconds


class Manager(NamedTuple):
    """A package manager.

    locks        the files that lock the modules; the first one must exist
    command      writes the modules to /modules; its standard output goes to the file `output` there, if any
    output       a file for its standard output
    user_files   files of the user with its configuration, relative to the home folder
    variables    names of the user's environment variables that configure it begin so
    """

    name: str
    locks: tuple[str, ...]
    command: str
    output: str
    user_files: tuple[str, ...]
    variables: tuple[str, ...]


CARGO = Manager(
    "cargo",
    ("Cargo.lock",),
    "cargo vendor --locked --versioned-dirs /modules/crates >/modules/config.toml",
    _CONFIG,
    (".cargo/config.toml", ".cargo/config"),
    ("CARGO_REGISTRIES_", "CARGO_HTTP_", "CARGO_NET_", "CARGO_SOURCE_"),
)
GO = Manager(
    "go",
    ("go.sum", "go.mod"),
    "GOFLAGS=-mod=mod GOMODCACHE=/tmp/modules go mod download && mv /tmp/modules/cache/download /modules/",
    "",
    (".config/go/env",),
    ("GOPROXY", "GOPRIVATE", "GONOPROXY", "GOINSECURE"),
)


def key(manager: Manager, source: Path) -> str:
    """Return the key of the modules of the program in the folder `source`: 64 hex digits. Raises OSError."""
    whole = hashlib.sha256(f"{manager.name} {manager.command}\n".encode())
    for name in manager.locks:
        path = source / name
        whole.update(hashlib.sha256(path.read_bytes() if path.exists() else b"").digest())
    return whole.hexdigest()


def ensure(
    name: str,
    manager: Manager,
    source: Path,
    cache: Cache,
    *,
    bwrap: ToolsTree,
    system: Path,
    on_line: Callable[[str], None],
) -> Path:
    """Return the folder with the modules of the program `name`; fetch them if the cache lacks them.

    `source` is a copy of its source, and `system` has the package manager. Raises FetchError, OSError.
    """
    folder = cache.vendored(key(manager, source))
    if folder.is_dir():
        return folder
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        del lines[:-_LAST_LINES]
        on_line(line)

    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic.scratch(folder.parent) as scratch, atomic.folder(folder) as new:
        for each in ("home", "tmp"):
            (scratch / each).mkdir()
        for each in manager.user_files:
            path = _home() / each
            if path.is_file():
                own = scratch / "home" / each
                own.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, own)
        sandbox = Sandbox(
            bwrap,
            readable={"/source": source},
            writable={"/modules": new, "/root": scratch / "home", "/tmp": scratch / "tmp"},
            environment=_environment(manager, os.environ),
            folder="/source",
            system=system,
            network=True,
        )
        command = sandbox.command(["/bin/sh", "-euc", manager.command])
        status = follow(command, scratch / "log", keep, limit=_LIMIT)
        if status != 0:
            said = "".join(f"\n  | {line}" for line in lines)
            message = f"build.{name}: {manager.name} cannot fetch what {manager.locks[0]} names{said}"
            raise FetchError(message, keys=("build", name))
        if manager is CARGO:
            _compare(name, source / "Cargo.lock", new / "crates")
    return folder


def _environment(manager: Manager, own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the package manager: the user's configuration, and proxies of this host."""
    found = {name: value for name, value in own.items() if name.startswith(manager.variables)}
    for scheme in ("http", "https"):
        if proxy := ENVIRONMENT.of(f"{scheme}://localhost.invalid/"):
            found[f"{scheme}_proxy"] = proxy.address
    if no_proxy := own.get("no_proxy") or own.get("NO_PROXY"):
        found["no_proxy"] = no_proxy
    return {
        **found,
        "HOME": "/root",
        "GOSUMDB": "off",
        "GOTOOLCHAIN": "local",
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    }


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise HostError("the user has no home folder") from error


def _compare(name: str, lock: Path, crates: Path) -> None:
    """Compare the checksums in Cargo.lock with those of the vendored crates. Raises FetchError."""
    for each in tomllib.loads(lock.read_text()).get("package", []):
        if "checksum" not in each:
            continue
        path = crates / f"{each['name']}-{each['version']}/.cargo-checksum.json"
        found = json.loads(path.read_bytes())["package"] if path.is_file() else "missing"
        if found != each["checksum"]:
            raise failed(name, f"{each['name']} {each['version']} has another checksum than in {lock.name}")


def is_needed(manager: Manager, source: Path) -> bool:
    """Return True unless the program in the folder `source` has all its modules, or needs none."""
    if not (source / manager.locks[0]).is_file():
        return False
    if manager is GO:
        return not (source / "vendor").is_dir()
    own = source / ".cargo/config.toml"
    if own.is_file() and "[source." in own.read_text(errors="replace"):
        return False
    return "source = " in (source / manager.locks[0]).read_text(errors="replace")


def variables(manager: Manager, modules: Path, home: Path) -> dict[str, str]:
    """Make `modules`, which are in the sandbox's /deps/NAME, usable in a build; return its variables.

    `home` is the folder that is its home folder.
    """
    place = f"/deps/{manager.name}"
    if manager is GO:
        return {"GOPROXY": f"file://{place}/download"}
    (home / ".cargo").mkdir(exist_ok=True)
    text = (modules / _CONFIG).read_text().replace("/modules/crates", f"{place}/crates")
    (home / ".cargo" / _CONFIG).write_text(text)
    return {}


# Without these, go would look for another version of itself, for modules, and for their hashes in a log.
OFFLINE_GO = {"GOTOOLCHAIN": "local", "GOSUMDB": "off", "GOPROXY": "off"}

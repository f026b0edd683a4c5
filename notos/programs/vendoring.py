"""Modules of Rust and Go programs, fetched by their own package managers and verified by the lock files.

    <cache>/vendored/<key>/…    the key is a hash of the lock files and of all that says where modules are

cargo compares each crate with the checksum in Cargo.lock, and go each module with go.sum. They know their
registries and the user's configuration, and run in a sandbox with a network, without any code of modules.
"""

import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from notos import atomic
from notos.cache import Cache
from notos.errors import FetchError, HostError
from notos.host.proxy import ENVIRONMENT, without_password
from notos.process import follow
from notos.programs.kinds import failed
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

_LAST_LINES = 14
_CONFIG = "config.toml"
_CHECKSUMS = ".cargo-checksum.json"  # of a crate, by cargo
_REGISTRIES = "registries.json"  # variables of a build
_LIMIT = 1800  # seconds


class Manager(NamedTuple):
    """A package manager.

    locks        the files that lock the modules; the first one must exist
    anywhere     names of other files that count, in any folder of the source
    settings     other files of the source that count
    command      writes the modules to /modules; its standard output goes to the file `output` there, if any
    output       a file for its standard output
    user_files   files of the user with its configuration, relative to the home folder
    variables    names of the user's environment variables that configure it begin so
    """

    name: str
    locks: tuple[str, ...]
    anywhere: tuple[str, ...]
    settings: tuple[str, ...]
    command: str
    output: str
    user_files: tuple[str, ...]
    variables: tuple[str, ...]


CARGO = Manager(
    "cargo",
    ("Cargo.lock",),
    (),
    (".cargo/config.toml", ".cargo/config"),
    "cargo vendor --respect-source-config --locked --versioned-dirs /modules/crates >/modules/config.toml",
    _CONFIG,
    (".cargo/config.toml", ".cargo/config", ".cargo/credentials.toml", ".cargo/credentials"),
    ("CARGO_REGISTRIES_", "CARGO_HTTP_", "CARGO_NET_", "CARGO_SOURCE_"),
)
GO = Manager(
    "go",
    ("go.sum", "go.mod"),
    ("go.mod", "go.sum", "go.work", "go.work.sum"),
    (),
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
    for path in _more_inputs(manager, source):
        whole.update(os.fsencode(path.relative_to(source)) + b"\0")
        content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()


def _more_inputs(manager: Manager, source: Path) -> Iterator[Path]:
    """Yield the files besides the lock files that decide what is fetched, in a fixed order."""
    for name in manager.settings:
        if (source / name).is_file():
            yield source / name
    for folder, folders, files in os.walk(source) if manager.anywhere else ():
        folders.sort()
        for name in manager.anywhere:
            if name in files:
                yield Path(folder, name)


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
    environment = _environment(manager, os.environ)

    def keep(line: str) -> None:
        line = masked(line, environment)
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
                own.touch(mode=0o600)  # it may have passwords
                shutil.copyfile(path, own)
        sandbox = Sandbox(
            bwrap,
            readable={"/source": source},
            writable={"/modules": new, "/root": scratch / "home", "/tmp": scratch / "tmp"},
            inherited=True,
            folder="/source",
            system=system,
            network=True,
        )
        command = sandbox.command(["/bin/sh", "-euc", manager.command])
        status = follow(command, scratch / "log", keep, env=environment, limit=_LIMIT)
        if status != 0:
            said = "".join(f"\n  | {line}" for line in lines)
            message = f"build.{name}: {manager.name} cannot fetch what {manager.locks[0]} names{said}"
            raise FetchError(message, keys=("build", name))
        if manager is CARGO:
            _compare(name, source / "Cargo.lock", new / "crates")
            (new / _REGISTRIES).write_text(json.dumps(_registries(_home(), os.environ)))
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


def masked(line: str, environment: Mapping[str, str]) -> str:
    """Return a line of output without passwords in addresses, and without secrets of `environment`."""
    for name, value in environment.items():
        if value and name.endswith(("_TOKEN", "_SECRET_KEY")):
            line = line.replace(value, "***")
    return without_password(line)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise HostError("the user has no home folder") from error


def _compare(name: str, lock: Path, crates: Path) -> None:
    """Compare the checksums in Cargo.lock with those of the vendored crates, and these with their files.

    Raises NotosError.
    """
    for each in tomllib.loads(lock.read_text()).get("package", []):
        if "checksum" not in each:
            continue
        folder = crates / f"{each['name']}-{each['version']}"
        path = folder / _CHECKSUMS
        try:
            found = json.loads(path.read_bytes()) if path.is_file() else {}
            same, files = found.get("package") == each["checksum"], found.get("files", {})
        except (ValueError, AttributeError):
            same, files = False, {}
        title = f"{each['name']} {each['version']}"
        if not same:
            raise failed(name, f"{title} has another checksum than in {lock.name}")
        if wrong := sorted(_changed(folder, files)):
            raise failed(name, f"{title}: {wrong[0]} is not the file that {_CHECKSUMS} lists")


def _changed(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """Yield the files of a crate that differ from the checksums `files`, relative to its folder."""
    present = {str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_dir()}
    yield from (present - {_CHECKSUMS}) ^ files.keys()
    for path in present & files.keys():
        if hashlib.sha256((folder / path).read_bytes()).hexdigest() != files[path]:
            yield path


def is_needed(manager: Manager, source: Path) -> bool:
    """Return True unless the program in the folder `source` has all its modules, or needs none."""
    if not (source / manager.locks[0]).is_file():
        return False
    if manager is GO:
        return not (source / "vendor").is_dir()
    if any("directory" in each or "local-registry" in each for each in _sources(source).values()):
        return False
    return "source = " in (source / manager.locks[0]).read_text(errors="replace")


def _settings(path: Path) -> dict[str, Any]:
    """Return a configuration of cargo; nothing from a file that is missing or invalid, which cargo shows."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _sources(source: Path) -> dict[str, dict[str, Any]]:
    """Return the tables [source.NAME] of the program's configuration of cargo, by NAME."""
    found: dict[str, dict[str, Any]] = {}
    for name in reversed(CARGO.settings):
        tables = _settings(source / name).get("source", {})
        if isinstance(tables, dict):
            found |= {key: value for key, value in tables.items() if isinstance(value, dict)}
    return found


def _registries(home: Path, own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name the user's registries, without any password (cargo: Configuration)."""
    found: dict[str, str] = {}
    for name in (".cargo/config", ".cargo/config.toml"):
        tables = _settings(home / name).get("registries", {})
        for registry, table in tables.items() if isinstance(tables, dict) else ():
            if isinstance(table, dict) and isinstance(table.get("index"), str):
                key = registry.upper().replace("-", "_")
                found[f"CARGO_REGISTRIES_{key}_INDEX"] = without_password(table["index"])
    for name, value in own.items():
        if name.startswith("CARGO_REGISTRIES_") and name.endswith("_INDEX"):
            found[name] = without_password(value)
    return found


def variables(manager: Manager, modules: Path, home: Path, source: Path) -> dict[str, str]:
    """Make `modules`, which are in the sandbox's /deps/NAME, usable in a build; return its variables.

    `home` is the folder that is its home folder, and `source` the copy of the program's source.
    """
    place = f"/deps/{manager.name}"
    if manager is GO:
        return {"GOPROXY": f"file://{place}/download"}
    (home / ".cargo").mkdir(exist_ok=True)
    text = (modules / _CONFIG).read_text().replace("/modules/crates", f"{place}/crates")
    for name, table in _sources(source).items():  # a mirror that the program names
        if "replace-with" not in table and f"[source.{name}]" not in text and json.dumps(name) not in text:
            text += f'\n[source.{json.dumps(name)}]\nreplace-with = "vendored-sources"\n'
    (home / ".cargo" / _CONFIG).write_text(text)
    return dict(json.loads((modules / _REGISTRIES).read_bytes()))


# Without these, go would look for another version of itself, for modules, and for their hashes in a log.
OFFLINE_GO = {"GOTOOLCHAIN": "local", "GOSUMDB": "off", "GOPROXY": "off"}

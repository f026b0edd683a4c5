"""The file config.lock: all packages of a machine and of its build, by version, size and sha256.

This module reads, writes and compares locks. resolve.py makes them.
"""

import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from notos import atomic
from notos.debian.package import LockedPackage
from notos.debian.relation import compare
from notos.errors import LockError
from notos.lock import source_record
from notos.lock.request import Request, Requests
from notos.lock.source_record import SourceRecord

FORMAT = 1
_MOST_NAMES = 8  # in a line of `./doit lock`


@dataclass(frozen=True)
class Lock:
    """A lock: all packages by name, and the names of each set's packages.

    It was resolved for `requests` in the release `suite`, and with the further archives `sources`. `tools`
    is the lock of the tools' sets if these come from another release, or without those archives.
    """

    suite: str
    requests: Requests
    sets: Mapping[str, tuple[str, ...]]
    packages: Mapping[str, LockedPackage]
    tools: "Lock | None" = None
    sources: tuple[SourceRecord, ...] = ()

    def set(self, name: str) -> tuple[LockedPackage, ...]:
        """Return the packages of the set `name`, sorted by name."""
        part = self.part(name)
        return tuple(part.packages[each] for each in part.sets[name])

    def present(self, name: str) -> dict[str, Request]:
        """Return the requests of the set `name` without optional ones for packages that do not exist."""
        lock = self.part(name)
        return present(lock.requests[name], lock.packages)

    def part(self, name: str) -> "Lock":
        """Return the lock of the release from which the set `name` comes: this one, or `tools`."""
        return self.tools if self.tools is not None and name in self.tools.sets else self


def present(requests: Mapping[str, Request], packages: Container[str]) -> dict[str, Request]:
    """Return the requests without optional ones for packages that `packages` lacks."""
    return {name: each for name, each in requests.items() if not each.optional or name in packages}


def read(path: Path) -> Lock | None:
    """Return the lock at `path`, None if the file does not exist. Raises LockError if it is invalid."""
    hint = f"restore {path.name}, or remove it and run `./doit lock`"
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"cannot read {path}: {error}", hint=hint) from error
    try:
        return _decode(json.loads(text))
    except LockError as error:
        raise LockError(f"{path}: {error.message}", hint=hint) from error
    except json.JSONDecodeError as error:
        raise LockError(f"{path}:{error.lineno}: {error.msg}", hint=hint) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise LockError(f"{path} has a missing key or a wrong type: {error}", hint=hint) from error


def write(path: Path, lock: Lock) -> None:
    """Write `lock` to `path`. The bytes depend on the lock alone. Raises OSError."""
    # Durable: a build cannot be repeated without its lock.
    atomic.write(path, encode(lock), durable=True)


def encode(lock: Lock) -> str:
    """Return the text of a lock: sorted JSON with one package per line, so that diffs are readable."""
    parts = [f'"format": {FORMAT}', *_parts(lock, 0)]
    if lock.tools is not None:
        inner = ",\n".join(f"    {part}" for part in _parts(lock.tools, 1))
        parts.append('"tools": {\n' + inner + "\n  }")
    return "{\n" + ",\n".join(f"  {part}" for part in parts) + "\n}\n"


def _parts(lock: Lock, depth: int) -> list[str]:
    """Return the keys of a lock and their values as JSON; `depth` is that of the object around them."""
    packages = {
        name: {key: value for key, value in asdict(package).items() if key != "name" and value != ""}
        for name, package in lock.packages.items()
    }
    return [
        f'"suite": {json.dumps(lock.suite)}',
        *([f'"sources": {_sources(lock, depth)}'] if lock.sources else []),
        '"requests": ' + _block(lock.requests, lambda each: _block(each, _request, depth + 2), depth + 1),
        '"sets": ' + _block(lock.sets, partial(_names, depth + 1), depth + 1),
        '"packages": ' + _block(packages, lambda each: json.dumps(each, sort_keys=True), depth + 1),
    ]


def _sources(lock: Lock, depth: int) -> str:
    """Return a JSON list with one source per line."""
    indent = "  " * (depth + 1)
    lines = (f"\n{indent}  {json.dumps(each.encoded(), sort_keys=True)}" for each in lock.sources)
    return f"[{','.join(lines)}\n{indent}]"


def changes(old: Lock | None, new: Lock) -> list[str]:
    """Return the lines that `./doit lock` prints: changed packages, sources, and sizes of sets."""
    lines = _package_changes(old, new)
    if new.tools is not None:
        lines += _package_changes(old.tools if old else None, new.tools)
    lines += map(partial(_source_line, new), new.sources)
    every = {**new.sets, **(new.tools.sets if new.tools else {})}
    width = max(map(len, every), default=0)
    for name in sorted(every):
        packages = new.set(name)
        size = sum(each.size for each in packages) / 1e6
        lines.append(f"{name:<{width}}  {len(packages)} packages, {size:.1f} MB to download")
    return lines


def _source_line(lock: Lock, source: SourceRecord) -> str:
    """Return the packages that a source provides, or else those that it may provide but does not."""
    title = source.url or ", ".join(source.suites)
    mine = [name for name, each in lock.packages.items() if source.has(each)]
    if mine:
        return f"source     {title} provides {_some(mine)}"
    others = [f"{name} {each.version}" for name, each in lock.packages.items() if source.allows(name)]
    return f"source     {title} provides nothing" + (f"; elsewhere is {_some(others)}" if others else "")


def _some(names: Sequence[str]) -> str:
    """Return names in words, the first ones of many."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _package_changes(old: Lock | None, new: Lock) -> list[str]:
    before = old.packages if old else {}
    lines = []
    for name in sorted({*before, *new.packages}):
        was, now = before.get(name), new.packages.get(name)
        if was is None and now is not None:
            lines.append(f"added      {name} {now.version} ({', '.join(_sets_of(new, name))}){_from(now)}")
        elif was is not None and now is None:
            lines.append(f"removed    {name} {was.version}")
        elif was is not None and now is not None and was.version != now.version:
            word = "upgraded" if compare(was.version, now.version) < 0 else "downgraded"
            lines.append(f"{word:<10} {name} {was.version} -> {now.version}{_from(now, was)}")
        elif was is not None and now is not None and was.sha256 != now.sha256:
            lines.append(f"rebuilt    {name} {now.version}{_from(now, was)}")
    return lines


def _from(now: LockedPackage, was: LockedPackage | None = None) -> str:
    """Return the source of a package in words, unless it was and is the release itself."""
    if now.is_own and (was is None or was.is_own):
        return ""
    return f", from {now.source}"


def _sets_of(lock: Lock, package: str) -> list[str]:
    return [name for name, members in sorted(lock.sets.items()) if package in members]


def _block(mapping: Mapping[str, Any], text: Callable[[Any], str], depth: int) -> str:
    """Return a sorted JSON object with one key per line."""
    if not mapping:
        return "{}"
    indent = "  " * depth
    lines = [f"{indent}  {json.dumps(key)}: {text(mapping[key])}" for key in sorted(mapping)]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _request(request: Request) -> str:
    """Return the JSON of a request: only the closure's name if it includes all files."""
    globs = {name: value for name, value in asdict(request).items() if value and name != "closure"}
    return json.dumps({"closure": request.closure, **globs} if globs else request.closure)


def _decode_request(value: Any) -> Request:
    if isinstance(value, str):
        return Request(value)
    globs = {name: tuple(value[name]) for name in ("only", "exclude") if name in value}
    return Request(
        value["closure"],
        **globs,
        yields=value.get("yields", False),
        optional=value.get("optional", False),
    )


def _names(depth: int, names: Sequence[str]) -> str:
    """Return a JSON list with one name per line."""
    indent = "  " * (depth + 1)
    lines = (f"\n{indent}  {json.dumps(name)}" for name in names)
    return "[" + ",".join(lines) + f"\n{indent}]" if names else "[]"


def _decode(data: Any) -> Lock:
    if data["format"] != FORMAT:
        raise LockError(f"unsupported format {data['format']}; this version of Notos uses {FORMAT}")
    lock = _decode_part(data)
    return replace(lock, tools=_decode_part(data["tools"])) if "tools" in data else lock


def _decode_part(data: Any) -> Lock:
    known = {field.name for field in fields(LockedPackage)}
    packages = {}
    for name, values in data["packages"].items():
        if unknown := values.keys() - known:
            raise LockError(f"package {name} has an unknown key: {sorted(unknown)[0]}")
        packages[name] = LockedPackage(name=name, **values)
    sets = {name: tuple(members) for name, members in data["sets"].items()}
    requests = {
        name: {package: _decode_request(each) for package, each in requested.items()}
        for name, requested in data["requests"].items()
    }
    for name, members in sets.items():
        if lacking := [each for each in members if each not in packages]:
            raise LockError(f"set {name} has {lacking[0]}, which is not in packages")
    if sets.keys() != requests.keys():
        raise LockError("sets and requests have different names")
    sources = tuple(map(source_record.decode, data.get("sources", ())))
    return Lock(data["suite"], requests, sets, packages, sources=sources)

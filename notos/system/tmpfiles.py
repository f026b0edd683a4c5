"""Run-time folders from tmpfiles.d(5) files, as a short shell fragment, in place of systemd-tmpfiles.

Lines that create things at boot become shell: d D q Q v (folders), f F (files), L L+ (links), z m (modes).
Lines that only clean up later (x X r R e and ages) or need ACLs, attributes and the like are ignored. Paths
must be in /run, /var, /tmp, /root, /home, /srv or /nix/var: the rest of the machine is read-only. Each
command is a fork, which is slow under emulation, so commands are grouped.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from notos.errors import NotosError

WRITABLE = ("/run/", "/var/", "/tmp/", "/root/", "/home/", "/srv/", "/nix/var/")
_FOLDERS, _FILES, _LINKS, _MODES = set("dDqQv"), set("fF"), set("L"), set("mz")
_PASSED_OVER = set("eCxXrRpbctThHaAwZ")
_SPECIFIERS = {"%%": "%", "%t": "/run", "%S": "/var/lib", "%C": "/var/cache", "%L": "/var/log", "%T": "/tmp"}

_LATE = re.compile(
    "%[bmHlqv]"
)  # known only at run time: machine id, host name, kernel; such lines are ignored


@dataclass(frozen=True)
class _Line:
    kind: str
    path: str
    mode: str
    user: str
    group: str
    argument: str


def script(files: Mapping[str, str]) -> str:
    """Return the fragment for `files`, texts of tmpfiles.d files by file name. Paths are below "$root".

    Raises NotosError with file and line for an unsupported line.
    """
    lines = [line for name in sorted(files) for line in _parse(name, files[name])]
    folders = [line for line in lines if line.kind in _FOLDERS]
    made = [line for line in lines if line.kind in _FILES]
    shell = ["# Folders and files that packages want at run time; made from their tmpfiles.d."]
    shell += _grouped("mkdir -p", (line.path for line in folders))
    shell += [_file(line) for line in made]
    shell += [_link(line) for line in lines if line.kind in _LINKS]
    owned = [line for line in lines if line.kind not in _LINKS]
    shell += _by_value("chmod", {line.path: line.mode for line in owned if line.mode != "-"})
    owners = {line.path: _owner(line) for line in owned if _owner(line) not in ("root:root", "")}
    shell += _by_value("chown", owners)
    return "".join(f"{line}\n" for line in shell)


def _by_value(command: str, values: Mapping[str, str]) -> list[str]:
    return [
        line
        for value in sorted(set(values.values()))
        for line in _grouped(f"{command} {value}", (path for path in values if values[path] == value))
    ]


def _grouped(command: str, paths: Iterable[str]) -> list[str]:
    words = [_place(path) for path in sorted(set(paths))]
    return [f"{command} {' '.join(words)}"] if words else []


def _file(line: _Line) -> str:
    place = _place(line.path)
    text = shlex.quote("" if line.argument == "-" else line.argument)
    return f"[ -e {place} ] || printf %s {text} >{place}"


def _link(line: _Line) -> str:
    return f"ln -sfn {shlex.quote(line.argument)} {_place(line.path)}"


def _place(path: str) -> str:
    return f'"$root"{shlex.quote(path)}'


def _owner(line: _Line) -> str:
    user = line.user if line.user != "-" else "root"
    group = line.group if line.group != "-" else "root"
    return f"{user}:{group}"


def mistakes(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, of each invalid or ineffective line of a tmpfiles.d file, and the reason."""
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            line = _parsed(raw, "")
        except NotosError as error:
            yield number, f"{error.message.removeprefix(': ')}; {error.hint}"
            continue
        if line is not None and not _can_be_made(line):
            folders = ", ".join(each.rstrip("/") for each in WRITABLE)
            yield (
                number,
                f"{line.path} cannot be created: only {folders} are writable; choose a path below one",
            )


def _parse(name: str, text: str) -> list[_Line]:
    lines = (_parsed(raw, f"tmpfiles.d/{name}:{number}") for number, raw in enumerate(text.splitlines(), 1))
    return [line for line in lines if line is not None and _can_be_made(line)]


def _can_be_made(line: _Line) -> bool:
    """Return True for a path in a writable folder, and for the mode and owner of such a folder."""
    own = line.kind in _FOLDERS | _MODES and f"{line.path}/" in WRITABLE
    return own or line.path.startswith(WRITABLE)


def _parsed(raw: str, where: str) -> _Line | None:
    """Return the parsed line; None for one without effect (a blank line, an age, an ignored type)."""
    file = where.rpartition(":")[0]
    words = raw.split(None, 6)
    if not words or words[0].startswith("#"):
        return None
    if len(words) < 2:
        raise NotosError(
            f"{where}: a line of tmpfiles.d needs a type and a path",
            hint="correct the line",
            keys=("etc", file),
        )
    words += ["-"] * (7 - len(words))
    kind = words[0].rstrip("!-+=~^$?")
    if kind in _PASSED_OVER:
        return None
    if kind not in _FOLDERS | _FILES | _LINKS | _MODES:
        raise NotosError(
            f"{where}: a line of type {words[0]} is not understood", hint="leave it out", keys=("etc", file)
        )
    if kind in _LINKS and words[6] == "-":
        return None  # a link to the factory's copy in /usr/share/factory, which Debian does not have
    path = words[1].strip('"')
    if _LATE.search(words[1] + words[6]):
        return None
    if not f"{path}/".startswith((*WRITABLE, "%")):
        return _Line(kind, path, words[2], words[3], words[4], "-")
    path = _expanded(path, where)
    return _Line(
        kind, path.rstrip("/"), words[2].lstrip(":~"), words[3], words[4], _expanded(words[6], where)
    )


def _expanded(text: str, where: str) -> str:
    out, rest = "", text
    while rest:
        plain, percent, rest = rest.partition("%")
        out += plain
        if percent:
            specifier, rest = "%" + rest[:1], rest[1:]
            if specifier not in _SPECIFIERS:
                raise NotosError(f"{where}: {specifier} is not understood", hint="write the value itself")
            out += _SPECIFIERS[specifier]
    return out

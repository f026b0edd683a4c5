"""Folders, owners and modes from maintainer scripts, systemd's units and packages' own files.

Read are literal calls of chown, chgrp, chmod, mkdir, install -d, touch, ln -s and dpkg-statoverride. Of paths
that are made at boot (/var, /run, …) the result is a tmpfiles.d file; links in /etc and /usr go into the
tree. Modes and owners of files in /etc are a table for the toplevel, because the store has neither. Owners
whose account no package creates are left out. Setuid programs and file capabilities are in setuid.py.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from notos.debian.deb import Attributes
from notos.debian.kinds import unwanted
from notos.debian.maintainer_scripts import ScriptCall, options
from notos.debian.shell_calls import is_glob
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.formats.usr_merge import merged
from notos.integration import accounts
from notos.integration.model import Context
from notos.integration.unit_folders import unit_calls

COMMANDS = ("chown", "chgrp", "chmod", "mkdir", "install", "touch", "ln", "dpkg-statoverride")
TMPFILES = "usr/lib/tmpfiles.d/zz-maintainer-scripts.conf"
# Paths below /etc: mode in octal, owner and group by path, as JSON.
ETC = "usr/share/notos/etc-permissions.json"

_AT_BOOT = ("/var/", "/run/", "/srv/")
_OWNER = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*|[0-9]+)?(?:[:.]([A-Za-z_][A-Za-z0-9_-]*|[0-9]+)?)?")
_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxXst]*)")
_AFFECTED = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}


@dataclass(frozen=True)
class _Place:
    """The wanted state of a path; an empty kind stands for an existing file or folder."""

    kind: str = ""  # d, f, or L as in tmpfiles.d(5)
    mode: int | None = None
    owner: str = ""
    group: str = ""
    recursive: bool = False
    target: str = ""


@dataclass
class _Places:
    attributes: dict[str, Attributes] = field(default_factory=dict)
    by_path: dict[str, _Place] = field(default_factory=dict)

    def get(self, path: str) -> _Place:
        return self.by_path.get(_clean(path), _Place())

    def change(self, path: str, **values: object) -> None:
        self.by_path[_clean(path)] = replace(self.get(path), **values)  # type: ignore[arg-type]

    def mode(self, path: str) -> int:
        """Return the present mode of a path."""
        place = self.get(path)
        if place.mode is not None:
            return place.mode
        known = self.attributes.get(merged(_clean(path).lstrip("/")))
        folder = place.kind == "d" or "." not in path.rpartition("/")[2]
        return known.mode if known else 0o755 if folder else 0o644


def apply(tree: Tree, context: Context) -> None:
    """Add folders, owners and modes to `tree`: links, a tmpfiles.d file, and a table for /etc."""
    places = _places(context)
    known = set(accounts.declared(tree, context))
    left_out = unwanted(context.keep)
    lines: list[str] = []
    etc = {
        path.removeprefix("etc/"): [f"{value.mode:04o}", value.owner, value.group]
        for path, value in sorted(context.attributes.items())
        if path.startswith("etc/") and path in tree
    }
    for path, wanted in sorted(places.by_path.items()):
        below = merged(path.lstrip("/"))
        if left_out(below) or ".dpkg-" in below:
            continue
        place = replace(
            wanted,
            owner=wanted.owner if _exists(wanted.owner, "", known) else "",
            group=wanted.group if _exists(wanted.group, "group ", known) else "",
        )
        if path.startswith(_AT_BOOT):
            if place.kind or place.mode is not None or place.owner or place.group:
                lines.append(_line(path, place))
        elif place.kind == "L":
            if below.startswith(("etc/", "usr/")) and below not in tree and _parents_free(below, tree):
                tree.add(below, Symlink(place.target))
        elif path.startswith("/etc/"):
            if below not in tree and place.kind in ("d", "f"):
                if not _parents_free(below, tree):
                    continue
                tree.add(below, Directory() if place.kind == "d" else File(b""))
            if below in tree and (place.mode is not None or place.owner or place.group):
                mode = place.mode if place.mode is not None else _default(below, tree, context)
                etc[path.removeprefix("/etc/")] = [
                    f"{mode:04o}",
                    place.owner or "root",
                    place.group or "root",
                ]
    if lines:
        tree.replace(TMPFILES, File("".join(f"{line}\n" for line in lines).encode()))
    if etc:
        tree.replace(ETC, File((json.dumps(etc, indent=1, sort_keys=True) + "\n").encode()))


def programs(context: Context) -> Iterator[tuple[str, Attributes]]:
    """Yield programs below /usr with the modes and owners that scripts give them."""
    for package in context.packages:
        places = _places(context, package)
        for path, place in sorted(places.by_path.items()):
            below = merged(path.lstrip("/"))
            if below.startswith("usr/") and place.kind == "" and place.mode is not None:
                owner, group = place.owner or "root", place.group or "root"
                yield below, Attributes(place.mode, owner, group, package)


def understood(each: ScriptCall) -> bool:
    """Return True for a call of COMMANDS that is done."""
    return _read(each, _Places())


def _places(context: Context, package: str = "") -> _Places:
    places = _Places(dict(context.attributes))
    for each in context.calls(*COMMANDS):
        if not package or each.package == package:
            _read(each, places)
    if not package:
        for each in unit_calls(context.units):
            if each.call.name in COMMANDS:
                _read(each, places)
    return places


def _line(path: str, place: _Place) -> str:
    """Return the line of tmpfiles.d(5) for `path`."""
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
    if place.kind == "L":
        return f"L {quoted} - - - - {place.target.replace('%', '%%')}"
    kind = place.kind or ("Z" if place.recursive else "z")
    mode = f"{place.mode:04o}" if place.mode is not None else "-" if not place.kind else "0755"
    if place.kind == "f" and place.mode is None:
        mode = "0644"
    return f"{kind} {quoted} {mode} {place.owner or '-'} {place.group or '-'}"


def _exists(account: str, prefix: str, known: set[str]) -> bool:
    return not account or account.isdigit() or f"{prefix}{account}" in known


def _parents_free(path: str, tree: Tree) -> bool:
    """Return True if no parent of `path` is a file or a link."""
    parts = path.split("/")
    parents = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return all(isinstance(tree.get(each), Directory | None) for each in parents)


def _default(path: str, tree: Tree, context: Context) -> int:
    if path in context.attributes:
        return context.attributes[path].mode
    entry = tree.get(path)
    return 0o755 if isinstance(entry, Directory) or (isinstance(entry, File) and entry.executable) else 0o644


# --- calls


def _read(each: ScriptCall, places: _Places) -> bool:
    """Take in a call; return False if it is not understood."""
    match each.call.name:
        case "dpkg-statoverride":
            return _statoverride(each, places)
        case "chown" | "chgrp":
            return _chown(each, places)
        case "chmod":
            return _chmod(each, places)
        case "mkdir":
            given, paths = options(each.call.words, ("-m", "--mode"))
            mode = given.get("-m", given.get("--mode", "0755"))
            return _made(places, "d", paths, mode)
        case "install":
            return _install(each, places)
        case "touch":
            given, paths = options(each.call.words, ("-r", "-d", "-t", "--reference", "--date"))
            return _made(places, "f", paths, None)
        case "ln":
            return _ln(each, places)
    return False


def _statoverride(each: ScriptCall, places: _Places) -> bool:
    words = each.call.words
    if "--add" not in words:
        return True  # --list and --remove change nothing on a new system
    _, rest = options(words, ("--admindir", "--root"))
    match rest:
        case [str() as owner, str() as group, str() as mode, str() as path]:
            if not path.startswith("/") or not re.fullmatch("[0-7]{3,5}", mode):
                return False
            places.change(path, owner=owner, group=group, mode=int(mode, 8))
            return True
    return False


def _chown(each: ScriptCall, places: _Places) -> bool:
    given, rest = options(each.call.words, ("--from",))
    if len(rest) < 2 or rest[0] is None or "--reference" in given:
        return False
    match = _OWNER.fullmatch(rest[0])
    if not match:
        return False
    owner, group = match[1] or "", match[2] or ""
    if each.call.name == "chgrp":
        owner, group = "", owner
    elif rest[0].endswith((":", ".")):
        group = owner  # the login group, which has the user's name in Debian
    recursive = any("R" in key for key in given if not key.startswith("--")) or "--recursive" in given
    if not _are_paths(rest[1:]):
        return False
    for path in rest[1:]:
        values = {**({"owner": owner} if owner else {}), **({"group": group} if group else {})}
        places.change(path or "", **values, **({"recursive": True} if recursive else {}))
    return True


def _chmod(each: ScriptCall, places: _Places) -> bool:
    words = tuple(word for word in each.call.words if word not in ("-f", "-v", "-c", "--quiet", "--silent"))
    if any(word in ("-R", "--recursive") for word in words) or len(words) < 3 or words[1] is None:
        return False
    paths = [word for word in words[2:] if word != "--"]
    if not _are_paths(paths):
        return False
    for path in paths:
        mode = changed(places.mode(path or ""), words[1])
        if mode is None:
            return False
        places.change(path or "", mode=mode)
    return True


def _install(each: ScriptCall, places: _Places) -> bool:
    words: list[str | None] = []
    for word in each.call.words:
        match = re.fullmatch(r"(-[gmo])(\S+)", word or "")
        words += [match[1], match[2]] if match else [word]
    given, paths = options(tuple(words), ("-m", "--mode", "-o", "--owner", "-g", "--group"))
    if None in given.values():
        return False
    mode = given.get("-m", given.get("--mode", "0755"))
    owner, group = given.get("-o", given.get("--owner")) or "", given.get("-g", given.get("--group")) or ""
    if "-d" in given or "--directory" in given:
        return _made(places, "d", paths, mode, owner=owner, group=group)
    if len(paths) == 2 and paths[0] == "/dev/null":
        return _made(places, "f", paths[1:], mode, owner=owner, group=group)
    return False


def _ln(each: ScriptCall, places: _Places) -> bool:
    given, paths = options(each.call.words, ())
    if not each.call.certain and not (paths[-1:] and (paths[-1] or "").startswith(_AT_BOOT)):
        return False  # one of several links, of which the running script chooses
    if not any("s" in key for key in given) or len(paths) != 2 or not _are_paths(paths[1:]) or not paths[0]:
        return False
    if (paths[1] or "").endswith("/"):
        return False
    places.change(paths[1] or "", kind="L", target=paths[0])
    return True


def _made(
    places: _Places, kind: str, paths: list[str | None], mode: str | None, *, owner: str = "", group: str = ""
) -> bool:
    """Take in files or folders that a call makes."""
    number = changed(0o755 if kind == "d" else 0o644, mode) if mode else None
    if not _are_paths(paths) or (mode and number is None):
        return False
    for path in paths:
        values: dict[str, object] = {"kind": places.get(path or "").kind or kind}
        if number is not None and (kind, number) != ("d", 0o755):
            values["mode"] = number
        values.update({key: value for key, value in (("owner", owner), ("group", group)) if value})
        places.change(path or "", **values)
    return True


def _are_paths(paths: list[str | None]) -> bool:
    return bool(paths) and all(path and path.startswith("/") and not is_glob(path) for path in paths)


def _clean(path: str) -> str:
    """Return a path without double and trailing slashes; /var/run is /run."""
    short = "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
    return short.removeprefix("/var") if short.startswith("/var/run/") else short


def changed(mode: int, text: str) -> int | None:
    """Return `mode` after chmod(1) with the mode `text`, octal or symbolic; None if it is invalid."""
    if re.fullmatch("[0-7]{1,5}", text):
        return int(text, 8)
    for part in text.split(","):
        match = _CLAUSE.fullmatch(part)
        if not match:
            return None
        who, operator, letters = match.groups()
        affected = 0
        for each in who.replace("a", "ugo") or "ugo":
            affected |= _AFFECTED[each]
        if not who:  # the umask of dpkg
            affected &= ~0o022
        bits = 0
        for letter in letters:
            bits |= (0o111 if mode & 0o111 else 0) if letter == "X" else _BITS[letter]
        bits &= affected
        if operator == "=":
            mode = mode & ~affected | bits
        elif operator == "+":
            mode |= bits
        else:
            mode &= ~bits
    return mode

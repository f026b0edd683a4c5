"""Folders, owners and modes from maintainer scripts, systemd's units and packages' own files.

Read are literal calls of chown, chgrp, chmod, mkdir, install, touch, ln -s and dpkg-statoverride, and the
modes of files that scripts make: by the umask, mktemp, install, cp -p and mv. Of paths that are made at boot
(/var, /run, …) the result is a tmpfiles.d file; links in /etc and /usr go into the tree. Modes and owners of
files in /etc are a table for the toplevel, because the store has neither. Owners whose account no package
creates are left out. Setuid programs and file capabilities are in setuid.py.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from notos.debian import modes
from notos.debian.command_words import options
from notos.debian.deb import PLAIN, Attributes
from notos.debian.kinds import unwanted
from notos.debian.maintainer_scripts import ScriptCall
from notos.debian.script_commands import keeps_modes
from notos.debian.shell_values import is_glob
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.formats.usr_merge import merged
from notos.integration import accounts, made
from notos.integration.model import BASE, Context
from notos.integration.unit_folders import unit_calls

COMMANDS = ("chown", "chgrp", "chmod", "mkdir", "install", "touch", "ln", "dpkg-statoverride")
TMPFILES = "usr/lib/tmpfiles.d/zz-maintainer-scripts.conf"
# Paths below /etc: mode in octal, owner and group by path, as JSON.
ETC = "usr/share/notos/etc-permissions.json"

_AT_BOOT = ("/var/", "/run/", "/srv/")


@dataclass(frozen=True)
class _Place:
    """The wanted state of a path; an empty kind stands for an existing file or folder.

    `below` are the owner and the group of all that a folder has at boot, "" for unchanged ones.
    """

    kind: str = ""  # d, f, or L as in tmpfiles.d(5)
    mode: int | None = None
    owner: str = ""
    group: str = ""
    below: tuple[str, str] = ("", "")
    target: str = ""


class _Places:
    """The wanted states by absolute path, above the entries that packages have."""

    def __init__(self, tree: Tree, context: Context | None = None) -> None:
        self._tree = tree
        self._attributes = context.attributes if context else {}
        self._folders = context.folders if context else frozenset[str]()
        self.by_path: dict[str, _Place] = {}
        self._gone: set[str] = set()
        self.files: set[str] = set()  # those that scripts make

    def get(self, path: str) -> _Place:
        return self.by_path.get(_clean(path), _Place())

    def change(self, path: str, **values: object) -> None:
        self.by_path[_clean(path)] = replace(self.get(path), **values)  # type: ignore[arg-type]

    def forget(self, path: str) -> None:
        """Take back the states of a path that a script removes, and those below it."""
        for each in [path, *self._changed_below(path)]:
            self.by_path.pop(_clean(each), None)
        self._gone.add(_clean(path))

    def is_gone(self, path: str) -> bool:
        """Return True if a script has removed the entry of a package: a new one has other attributes."""
        return _clean(path) in self._gone

    def is_plain(self, path: str) -> bool:
        """Return True if neither a package nor a script gives a mode or an owner to a path.

        Of programs in /usr that is unknown: other packages may make them setuid.
        """
        short = _clean(path)[1:]
        return self.get(path) == _Place() and short not in self._attributes and not short.startswith("usr/")

    def below(self, path: str) -> list[str]:
        """Return the files and folders below a path that packages or scripts make."""
        prefix = _clean(path)[1:] + "/"
        entries = (each for each, entry in self._tree.items() if isinstance(entry, Directory | File))
        known = {f"/{each}" for each in (*entries, *self._folders) if each.startswith(prefix)}
        return sorted(known | set(self._changed_below(path)))

    def _changed_below(self, path: str) -> list[str]:
        prefix = _clean(path) + "/"
        return [each for each, place in self.by_path.items() if each.startswith(prefix) and place.kind != "L"]

    def mode(self, path: str) -> int:
        """Return the present mode of a path."""
        place = self.get(path)
        if place.mode is not None:
            return place.mode
        short = _clean(path)[1:]
        if short in self._attributes:
            return self._attributes[short].mode
        entry = self._tree.get(short)
        if isinstance(entry, File):
            return 0o755 if entry.executable else 0o644
        if place.kind == "f" or _clean(path) in self.files:
            return 0o644
        return 0o755 if self.is_folder(path) or "." not in path.rpartition("/")[2] else 0o644

    def is_folder(self, path: str) -> bool:
        short = _clean(path)[1:]
        known = isinstance(self._tree.get(short), Directory) or short in self._folders
        return known or self.get(path).kind == "d"


def apply(tree: Tree, context: Context) -> None:
    """Add folders, owners and modes to `tree`: links, a tmpfiles.d file, and a table for /etc."""
    places = _places(tree, context)
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
            below=(
                wanted.below[0] if _exists(wanted.below[0], "", known) else "",
                wanted.below[1] if _exists(wanted.below[1], "group ", known) else "",
            ),
        )
        if path.startswith(_AT_BOOT):
            lines += _lines(path, place, has_more=bool(places.below(path)) if any(place.below) else False)
        elif place.kind == "L":
            if below.startswith(("etc/", "usr/")) and below not in tree and _parents_free(below, tree):
                tree.add(below, Symlink(place.target))
        elif path.startswith("/etc/"):
            if below not in tree and place.kind in ("d", "f"):
                if not _parents_free(below, tree):
                    continue
                tree.add(below, Directory() if place.kind == "d" else File(b""))
            target = tree.resolve(below) or below
            below = target if target.startswith("etc/") else below
            wants = place.mode is not None or place.owner or place.group
            if wants and isinstance(tree.get(below), Directory | File):
                present = context.attributes.get(below, Attributes(_default(below, tree, context)))
                mode = place.mode if place.mode is not None else present.mode
                etc[below.removeprefix("etc/")] = [
                    f"{mode:04o}",
                    place.owner or present.owner,
                    place.group or present.group,
                ]
    if lines:
        tree.replace(TMPFILES, File("".join(f"{line}\n" for line in lines).encode()))
    if etc:
        tree.replace(ETC, File((json.dumps(etc, indent=1, sort_keys=True) + "\n").encode()))


def programs(tree: Tree, context: Context) -> Iterator[tuple[str, Attributes]]:
    """Yield programs below /usr with the modes and owners that scripts give them."""
    for package in context.packages:
        places = _places(tree, context, package)
        for path, place in sorted(places.by_path.items()):
            below = path.lstrip("/")
            if below.startswith("usr/") and place.kind == "" and place.mode is not None:
                owner, group = place.owner or "root", place.group or "root"
                yield below, Attributes(place.mode, owner, group, package)


def understood(each: ScriptCall) -> bool:
    """Return True for a call of COMMANDS that is done."""
    return _read(each, _Places(Tree()))


def _places(tree: Tree, context: Context, package: str = "") -> _Places:
    places = _Places(tree, context)
    for name, found in context.scripts.of.items():
        if package in ("", name):
            for each in found.calls:
                _take_in(each, places)
    if not package:
        for each in unit_calls(context.units):
            _take_in(each, places)
    return places


def _take_in(each: ScriptCall, places: _Places) -> None:
    """Take in a call, and the modes of the entries that it makes."""
    if each.call.name in COMMANDS:
        _read(each, places)
    words = each.call.words
    replaces = each.call.name in ("install", "mv") or (each.call.name == "cp" and keeps_modes(words))
    for path, node in each.call.effects:
        place = places.get(path)
        if node.kind == "" and each.call.certain:
            places.forget(path)
        elif node.kind in ("d", "f"):
            replaces = replaces or places.is_gone(path)
            given = Attributes(node.bits, node.owner or "root", node.group or "root")
            if node.kind == "f":
                places.files.add(_clean(path))
            if (
                replaces
                and node.kind == "f"
                and (given not in PLAIN or (each.call.certain and not places.is_plain(path)))
            ):
                places.change(path, mode=node.bits, owner=node.owner, group=node.group)
            elif place.mode is None and given not in PLAIN:
                owner, group = node.owner or place.owner, node.group or place.group
                places.change(path, mode=node.bits, owner=owner, group=group)
        is_empty = node.kind == "f" and node.content == b"" and made.is_kept(path)
        if is_empty and each.call.certain and each.package not in BASE:
            places.change(path, kind="f")  # made.py leaves empty files to this module


def _lines(path: str, place: _Place, *, has_more: bool) -> Iterator[str]:
    """Yield the lines of tmpfiles.d(5) for `path`; `has_more` is True if a new system has entries below it.

    A line for all entries below comes before those for some of them.
    """
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
    if place.kind == "L":
        yield f"L {quoted} - - - - {place.target.replace('%', '%%')}"
        return
    usual = {"d": "0755", "f": "0644"}.get(place.kind, "-")
    mode = f"{place.mode:04o}" if place.mode is not None else usual
    rights = f"{mode} {place.owner or '-'} {place.group or '-'}"
    if place.kind:
        yield f"{place.kind} {quoted} {rights}"
    below = any(place.below) and (has_more or not place.kind)
    if below:
        yield f"Z {quoted} - {place.below[0] or '-'} {place.below[1] or '-'}"
    if (place.kind and below and place.below != (place.owner, place.group)) or (
        not place.kind
        and rights != "- - -"
        and not (below and mode == "-" and place.below == (place.owner, place.group))
    ):
        yield f"z {quoted} {rights}"


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
        case "chmod" | "chown" | "chgrp":
            return _change(each, places)
        case "mkdir":
            paths, mode, _ = modes.folder_mode(each.call.words, 0o022)
            return mode is not None and _made(places, "d", paths, Attributes(mode, "", ""))
        case "install":
            return _install(each, places)
        case "touch":
            _, paths = options(each.call.words, ("-r", "-d", "-t", "--reference", "--date"))
            return _made(places, "f", paths, Attributes(0o644, "", ""))
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


def _change(each: ScriptCall, places: _Places) -> bool:
    """Take in a call of chmod, chown or chgrp; a recursive one changes each entry that a new system has."""
    wanted = modes.change(each.call.words)
    if wanted is None or not _are_paths(wanted.paths):
        return False
    owners = {key: value for key, value in (("owner", wanted.owner), ("group", wanted.group)) if value}
    for path in wanted.paths:
        for one in (path, *(places.below(path) if wanted.recursive else ())):
            values: dict[str, object] = dict(owners)
            if wanted.mode:
                values["mode"] = modes.changed(places.mode(one), wanted.mode, folder=places.is_folder(one))
            # At boot, one line with the owners of all entries below is enough for those without others.
            if one == path or wanted.mode or not path.startswith(_AT_BOOT) or _clean(one) in places.by_path:
                places.change(one, **values)
        if wanted.recursive and owners:
            owner, group = places.get(path).below
            places.change(path, below=(wanted.owner or owner, wanted.group or group))
    return True


def _install(each: ScriptCall, places: _Places) -> bool:
    wanted = modes.install(each.call.words)
    if wanted is None:
        return False
    attributes = Attributes(wanted.mode, wanted.owner, wanted.group)
    if wanted.folders:
        return _made(places, "d", wanted.arguments, attributes)
    if len(wanted.arguments) == 2 and wanted.arguments[0] == "/dev/null":
        return _made(places, "f", wanted.arguments[1:], attributes)
    return False  # the modes of other files are among the effects of the call


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


def _made(places: _Places, kind: str, paths: Sequence[str | None], given: Attributes) -> bool:
    """Take in files or folders that a call makes. Usual modes do not replace others."""
    if not _are_paths(paths):
        return False
    for path in paths:
        values: dict[str, object] = {"kind": places.get(path or "").kind or kind}
        if (kind, given.mode) not in (("d", 0o755), ("f", 0o644)):
            values["mode"] = given.mode
        owners = (("owner", given.owner), ("group", given.group))
        values.update({key: value for key, value in owners if value})
        places.change(path or "", **values)
    return True


def _are_paths(paths: Sequence[str | None]) -> bool:
    return bool(paths) and all(path and path.startswith("/") and not is_glob(path) for path in paths)


def _clean(path: str) -> str:
    """Return an absolute usr-merged path without double and trailing slashes; /var/run is /run."""
    short = "/" + merged("/".join(part for part in path.split("/") if part not in ("", ".")))
    return short.removeprefix("/var") if short.startswith("/var/run/") else short

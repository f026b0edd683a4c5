"""The files in the config's `etc` and `files`, and the paths in `remove`."""

import fnmatch
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from notos.config.model import FileMode, Machine, PlacedFile
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, named_place, place_of
from notos.features.model import Computed, Copy, EtcFile, Feature, Folder, Link, Placed, Removal, Text

KEYS = ("etc", "files", "remove")

# Folders of /etc that the drive keeps; /etc itself comes from the image at every boot.
KEPT = "/var/lib/notos/etc"

_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")  # links into /usr (file-hierarchy(7))
_STORED = ("/usr", "/opt")  # read-only, of root, with two modes
_AT_RUN_TIME = "it is empty at each boot; declare it in etc: {tmpfiles.d/NAME.conf: …}"
# Folders where no file can be put, with the reason.
_REFUSED = {
    "/dev": "its files are devices",
    "/nix": "it is the store",
    "/proc": "its files are the kernel's",
    "/run": _AT_RUN_TIME,
    "/sys": "its files are the kernel's",
    "/tmp": _AT_RUN_TIME,
    "/var/lib/notos": "it is Notos' own",
    "/var/run": _AT_RUN_TIME,
}
# Folders of every machine: a folder can be merged with one, but nothing else can be in its place.
_FOLDERS = ("/boot", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/usr", "/var", *_MERGED)


def feature(machine: Machine) -> Feature:
    """Return the files and the removals.

    A removal at the path of a file leaves out that file; only an imported config may have both.
    """
    removed = tuple(Removal(merged(path), ("remove", path)) for path in machine.remove)
    left_out = {each.path for each in removed}
    placed = [_placed(path, file) for path, file in machine.files.items() if merged(path) not in left_out]
    in_etc = {each.path: _in_etc(each) for each in placed}
    etc = [
        EtcFile(
            path=path,
            content=Copy(file.source) if file.source is not None else Text(file.text or ""),
            mode=file.mode,
            keys=("etc", path),
        )
        for path, file in machine.etc.items()
    ]
    etc += [each for each in in_etc.values() if each is not None]
    others = [each for each in placed if in_etc[each.path] is None]
    kept = tuple(f"{each}/" for each in machine.disk.etc) if machine.disk else ()
    if kept:
        others = [_on_drive(each, kept) for each in others]
        others += [
            Placed(f"{KEPT}/{each.path}", each.content, mode=each.mode, keys=each.keys)
            for each in etc
            if each.path.startswith(kept) and not isinstance(each.content, Computed)
        ]
        etc = [each for each in etc if not each.path.startswith(kept)]
    return Feature(etc=tuple(etc), placed=tuple(others), removed=removed)


def _on_drive(placed: Placed, kept: tuple[str, ...]) -> Placed:
    """Return a file in one of the folders `kept` of /etc with its path on the drive; others as they are."""
    name = placed.path.removeprefix("/etc/")
    return placed._replace(path=f"{KEPT}/{name}") if f"{name}/".startswith(kept) else placed


def merged(path: str) -> str:
    """Return an absolute path with /bin, /lib and similar links followed into /usr."""
    first = f"/{path.split('/')[1]}"
    return f"/usr{path}" if first in _MERGED else path


def writing(machine: Machine, path: str) -> Iterator[tuple[str, ...]]:
    """Yield the keys of the config that put a file or link at `path`, absolute and usr-merged.

    A copied folder does so if it has that file on this host.
    """
    if path.startswith("/etc/") and path.removeprefix("/etc/") in machine.etc:
        yield "etc", path.removeprefix("/etc/")
    for name, file in machine.files.items():
        top = merged(name)
        if top == path:
            yield "files", name
        elif path.startswith(f"{top}/") and _is_folder(file):
            parts = path.removeprefix(f"{top}/").split("/")
            inner = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
            if os.path.lexists(f"{file.source}/{inner[-1]}") and not any(
                is_excluded(each, file.exclude) for each in inner
            ):
                yield "files", name


def is_excluded(path: str, patterns: Iterable[str]) -> bool:
    """Return True if a pattern matches `path`, or its last part for a pattern without a slash."""
    for each in patterns:
        pattern = each.rstrip("/")
        if fnmatch.fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern):
            return True
    return False


def _placed(path: str, file: PlacedFile) -> Placed:
    content: Copy | Folder | Link | Text
    if file.link is not None:
        content = Link(file.link)
    elif file.source is None:
        content = Text(file.text or "")
    elif _is_folder(file):
        content = Folder(file.source, file.exclude)
    else:
        content = Copy(file.source)
    # A group that is not given is that of the owner (chown(1), "OWNER:").
    group = file.group or ("root" if file.owner == "root" else "")
    return Placed(merged(path), content, file.mode or "", file.owner, group, ("files", path))


def _in_etc(placed: Placed) -> EtcFile | None:
    """Return a file of root in /etc as `etc` would have it; None for others."""
    content = placed.content
    if not placed.path.startswith("/etc/") or (placed.owner, placed.group) != ("root", "root"):
        return None
    if not isinstance(content, Text | Copy):
        return None
    is_program = isinstance(content, Copy) and os.access(content.source, os.X_OK)
    mode = FileMode(placed.mode or ("0755" if is_program else "0644"))
    return EtcFile(path=placed.path.removeprefix("/etc/"), content=content, mode=mode, keys=placed.keys)


def _is_folder(file: PlacedFile) -> bool:
    return file.source is not None and Path(file.source).is_dir()


# Mistakes ---------------------------------------------------------------------------------------------


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for name, file in machine.files.items():
        yield from _of_path(name, file, node)
    yield from _collisions(machine, node)
    for removed in machine.remove:
        path = str(removed)
        place = named_place(node, "remove", path) or key_place(node, "remove")
        if merged(path) in map(merged, _FOLDERS):
            yield Problem(f"remove has {path}, which every machine needs; name paths in it", place)
        elif reason := refused(merged(path)):
            yield Problem(f"remove has {path}, which no package and no file has: {reason}", place)
        for name in machine.files:
            written = key_place(node, "files", name)
            if merged(name) == merged(path) and written.source is place.source:
                seen = written.seen_from(place)
                yield Problem(f"remove has {path}, which is also in files, {seen}; leave one out", place)


def _of_path(path: str, file: PlacedFile, node: Node) -> Iterator[Problem]:
    """Yield what is wrong with one path of `files`."""
    where, place = f"files.{path}", key_place(node, "files", path)
    is_folder = _is_folder(file)
    if reason := refused(merged(path)):
        yield Problem(f"{where} cannot be created: {reason}", place)
    if path in _FOLDERS and not is_folder:
        yield Problem(f"{where} is a folder of every machine; name a file in it: {path}/NAME", place)
    if file.exclude and not is_folder:
        message = f"exclude is for folders; {where} has none"
        yield Problem(message, place_of(node, "files", path, "exclude"))
    if file.link is not None and file.mode is not None:
        message = f"{where}.mode: a link has no mode; leave it out"
        yield Problem(message, place_of(node, "files", path, "mode"))
    if not f"{merged(path)}/".startswith(tuple(f"{each}/" for each in _STORED)):
        return
    reason = f"files below {' and '.join(_STORED)} are read-only and belong to root"
    if file.mode not in (None, "0644", "0755", "0444", "0555"):
        message = f'{where}.mode: {reason}; write "0644" or "0755"'
        yield Problem(message, place_of(node, "files", path, "mode"))
    for key in ("owner", "group"):
        if getattr(file, key) not in (None, "root"):
            message = f"{where}.{key}: {reason}; leave it out, or put the file below /var, /srv or /etc"
            yield Problem(message, place_of(node, "files", path, key))


def refused(path: str) -> str:
    """Return why no file can be put at an absolute, usr-merged path; "" if one can."""
    return next((why for folder, why in _REFUSED.items() if f"{path}/".startswith(f"{folder}/")), "")


def _collisions(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield two keys for one path, and files below others that are not folders."""
    taken: dict[str, tuple[str, str]] = {}
    names: list[tuple[str, tuple[str, str]]] = [(f"/etc/{path}", ("etc", path)) for path in machine.etc]
    names += [(merged(path), ("files", path)) for path in machine.files]
    folders = {merged(path) for path, file in machine.files.items() if _is_folder(file)}
    links = {merged(path) for path, file in machine.files.items() if file.link is not None}
    for path, keys in names:
        first = taken.setdefault(path, keys)
        if first != keys:
            place = key_place(node, *keys)
            seen = key_place(node, *first).seen_from(place)
            message = f"{'.'.join(keys)} and {'.'.join(first)}, {seen}, are one path; leave one out"
            yield Problem(message, place)
    for path, keys in names:
        parts = path.split("/")
        for above in ("/".join(parts[:length]) for length in range(2, len(parts))):
            if above in taken and above not in folders:
                place = key_place(node, *keys)
                first = taken[above]
                seen = key_place(node, *first).seen_from(place)
                kind = "link" if above in links else "file"
                message = f"{'.'.join(keys)} lies below {'.'.join(first)}, which is a {kind}, {seen}"
                yield Problem(message, place)


CHECKS: Checks = {Machine: _problems}

"""A reader of .deb files: data.tar as a Tree, control as a dict. Nothing is unpacked to disk or run.

Source: deb(5), which also lists the allowed tar formats and compressions.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from notos.debian.deb822 import stanza
from notos.errors import PackageError
from notos.formats import tar
from notos.formats.tree import CHUNK, Directory, File, Symlink, Tree


class Attributes(NamedTuple):
    """The part of an entry that a Tree lacks: setuid, setgid and sticky bits, and the owners.

    `package` is the name of the package that has the entry, where it is known.
    """

    mode: int
    owner: str = "root"
    group: str = "root"
    package: str = ""


# Attributes that need no mention: those of most files and folders.
PLAIN = (Attributes(0o644), Attributes(0o755))


def everything(_path: str) -> bool:
    """Return True: the default for `wanted`."""
    return True


def as_it_is(data: bytes) -> bytes:
    """Return `data`: the default for `kept`."""
    return data


def read(
    path: Path,
    *,
    wanted: Callable[[str], bool] = everything,
    kept: Callable[[bytes], bytes] = as_it_is,
    attributes: dict[str, Attributes] | None = None,
) -> Tree:
    """Return the files that the .deb at `path` installs. Contents are in memory, transformed by `kept`.

    Paths for which `wanted` is false are left out, except for parent directories of wanted paths. Hard links
    are one File at several paths. Owners and modes other than executable are dropped, including setuid;
    those of wanted files and folders that are not PLAIN are added to `attributes`.
    Targets of symbolic links stay unchanged; a target above the root is an error.

    Raises PackageError with the .deb and the member if the archive is invalid or has entries that a Tree
    cannot represent: paths outside the root or below a link, duplicates, empty links, device nodes.
    """
    with _named(path):
        tree, links = _read_tar(path, "data.tar", wanted, kept, attributes)
        lacking = {first for link, first in links.items() if wanted(link) and not wanted(first)}
        if lacking:  # a wanted hard link to a file that was skipped: read again, with that file
            tree, _ = _read_tar(path, "data.tar", lambda each: each in lacking or wanted(each), kept)
        if wanted is everything:
            return tree
        chosen = Tree()
        for each, entry in tree.items():
            if wanted(each):
                chosen.add(each, entry)
        return chosen


def control(path: Path) -> dict[str, bytes]:
    """Return the files of the control archive by name: control, postinst, triggers, templates, ….

    Source: deb-control(5). Raises PackageError if the archive is invalid.
    """
    with _named(path):
        tree, _ = _read_tar(path, "control.tar", everything)
        return {name: entry.read() for name, entry in tree.items() if isinstance(entry, File)}


def fields(path: Path) -> Mapping[str, str]:
    """Return the fields of the control file, none if there is no such file. Raises PackageError."""
    files = control(path)
    with _named(path):
        return stanza(files.get("control", b"").decode(errors="replace"))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Convert exceptions from reading an invalid archive to a PackageError that names the file."""
    try:
        yield
    except OSError as error:
        raise PackageError(f"cannot read {path}: {error.strerror or error}") from error
    except PackageError as error:
        raise PackageError(f"{path.name}: {error.message}") from error


# --- ar


def _member(deb: BinaryIO, stem: str) -> tuple[str, Iterator[bytes]]:
    """Return the suffix (".xz") and the bytes of the ar member `stem`; check that `deb` is a .deb."""
    if deb.read(8) != b"!<arch>\n":
        raise PackageError("not a .deb: no ar magic at the start")
    left = os.fstat(deb.fileno()).st_size - 8
    first = True
    parts = ["control.tar", "data.tar"]
    while header := deb.read(60):
        left -= len(header)
        digits = header[48:58].rstrip(b" ")
        if len(header) < 60 or header[58:] != b"`\n" or not digits.isdigit():
            raise PackageError("truncated, or an invalid ar header")
        name, size = header[:16].rstrip(b" ").decode(errors="replace").removesuffix("/"), int(digits)
        if size > left:
            raise PackageError(f"{name} is truncated: it has {left} of {size} bytes")
        if first and (name != "debian-binary" or not deb.read(4).startswith(b"2.") or size < 4):
            raise PackageError("not a .deb of format 2")
        if not first and not name.startswith("_"):  # these may be ignored (deb(5)), no others before data.tar
            if not name.startswith(parts[0]):
                raise PackageError(f"{name} stands where {parts[0]} should be")
            if parts[0] == stem:
                return name.removeprefix(stem), _pieces(deb, size)
            del parts[0]
        deb.seek(size + size % 2 - 4 * first, os.SEEK_CUR)
        left -= size + size % 2
        first = False
    raise PackageError(f"{stem} is missing")


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = stream.read(min(CHUNK, size))
        if not piece:
            raise PackageError("the file became shorter during the read")
        size -= len(piece)
        yield piece


# --- tar


def _read_tar(
    path: Path,
    stem: str,
    wanted: Callable[[str], bool],
    kept: Callable[[bytes], bytes] = as_it_is,
    attributes: dict[str, Attributes] | None = None,
) -> tuple[Tree, dict[str, str]]:
    """Return all entries of a tar member, and the target of each hard link. Unwanted files are empty."""
    tree = Tree()
    links: dict[str, str] = {}
    special: dict[str, Attributes] = {}
    with path.open("rb") as deb:
        suffix, pieces = _member(deb, stem)
        try:
            reader = tar.Reader(pieces, suffix, open_end=True)
            for header in reader:
                name = tar.normal(header.name)
                if header.kind in (b"0", b"5"):
                    found = Attributes(header.mode & 0o7777, header.owner, header.group)
                    if found not in PLAIN:
                        special[name] = found
                if header.kind == b"0":
                    content = kept(reader.read()) if wanted(name) else b""
                    tree.add(name, File(content, bool(header.mode & 0o100)))
                elif header.kind == b"5":
                    if name:  # every archive has an entry for the root, a Tree has none
                        tree.add(name, Directory())
                elif header.kind == b"2":
                    tar.check_target(name, header.link)
                    tree.add(name, Symlink(header.link))
                elif header.kind == b"1":
                    target = tar.normal(header.link)
                    file = tree.get(target)
                    if not isinstance(file, File):
                        raise PackageError(
                            f"{name} is a hard link to {header.link}, which is not an earlier file"
                        )
                    links[name] = links.get(target, target)
                    if target in special:
                        special[name] = special[target]
                    tree.add(name, file)
                elif header.kind in (b"3", b"4", b"6"):
                    raise PackageError(f"{name} is a device node or a fifo; packages must not have these")
                else:
                    raise PackageError(f"{name} is a tar entry of type {header.kind!r}, which deb(5) forbids")
        except PackageError as error:
            raise PackageError(f"{stem}{suffix}: {error.message}") from error
    if attributes is not None:
        attributes.update((name, value) for name, value in special.items() if wanted(name))
    return tree, links

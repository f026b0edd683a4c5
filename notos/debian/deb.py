"""Reading .deb files: data.tar into a Tree, control into a dict; nothing is unpacked to disk or run.

Source: deb(5), which also says which formats of tar and which compressions there are.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from notos.errors import PackageError
from notos.formats import tar
from notos.formats.tree import CHUNK, Directory, File, Symlink, Tree


def everything(_path: str) -> bool:
    """The default for `wanted`."""
    return True


def as_it_is(data: bytes) -> bytes:
    """The default for `kept`."""
    return data


def read(
    path: Path,
    *,
    wanted: Callable[[str], bool] = everything,
    kept: Callable[[bytes], bytes] = as_it_is,
) -> Tree:
    """The files that the .deb at `path` installs, contents in memory: of each what `kept` makes of it.

    Paths for which `wanted` is false are left out (a directory still comes as the parent of something
    wanted), and their contents are not kept. Hard links are one File at several paths. Owners and modes
    other than executable are dropped, setuid included. Symbolic links are kept to the letter; one that
    would climb above the root is refused.

    Raises PackageError, naming the .deb and the member, when the archive is broken or holds what a Tree
    cannot: paths outside the root or below a link, duplicates, links to nothing, device nodes.
    """
    with _named(path):
        tree, links = _read_tar(path, "data.tar", wanted, kept)
        lacking = {first for link, first in links.items() if wanted(link) and not wanted(first)}
        if lacking:  # a wanted link to a file that was passed over: read again, with the file
            tree, _ = _read_tar(path, "data.tar", lambda each: each in lacking or wanted(each), kept)
        if wanted is everything:
            return tree
        chosen = Tree()
        for each, entry in tree.items():
            if wanted(each):
                chosen.add(each, entry)
        return chosen


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn all that reading a broken archive raises into a PackageError that names it."""
    try:
        yield
    except OSError as error:
        raise PackageError(f"cannot read {path}: {error.strerror or error}") from error
    except PackageError as error:
        raise PackageError(f"{path.name}: {error.message}") from error


# --- ar


def _member(deb: BinaryIO, stem: str) -> tuple[str, Iterator[bytes]]:
    """The suffix (".xz") and the bytes of the ar member `stem`, after checking that this is a .deb."""
    if deb.read(8) != b"!<arch>\n":
        raise PackageError("not a .deb: no ar magic at its start")
    left = os.fstat(deb.fileno()).st_size - 8
    first = True
    while header := deb.read(60):
        left -= len(header)
        digits = header[48:58].rstrip(b" ")
        if len(header) < 60 or header[58:] != b"`\n" or not digits.isdigit():
            raise PackageError("cut off, or a broken ar header")
        name, size = header[:16].rstrip(b" /").decode(errors="replace"), int(digits)
        if size > left:
            raise PackageError(f"{name} is cut off: {left} bytes of {size} are there")
        if first and (name != "debian-binary" or not deb.read(4).startswith(b"2.") or size < 4):
            raise PackageError("not a .deb of format 2")
        if name.startswith(stem):
            return name.removeprefix(stem), _pieces(deb, size)
        deb.seek(size + size % 2 - 4 * first, os.SEEK_CUR)
        left -= size + size % 2
        first = False
    raise PackageError(f"{stem} is missing")


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = stream.read(min(CHUNK, size))
        if not piece:
            raise PackageError("it became shorter while it was read")
        size -= len(piece)
        yield piece


# --- tar


def _read_tar(
    path: Path, stem: str, wanted: Callable[[str], bool], kept: Callable[[bytes], bytes] = as_it_is
) -> tuple[Tree, dict[str, str]]:
    """All entries of a tar member, and which file each hard link is; unwanted files are left empty."""
    tree = Tree()
    links: dict[str, str] = {}
    with path.open("rb") as deb:
        suffix, pieces = _member(deb, stem)
        try:
            reader = tar.Reader(pieces, suffix)
            for header in reader:
                name = tar.normal(header.name)
                if header.kind == b"0":
                    content = kept(reader.read()) if wanted(name) else b""
                    tree.add(name, File(content, bool(header.mode & 0o100)))
                elif header.kind == b"5":
                    if name:  # the root itself stands in every archive, and is in no Tree
                        tree.add(name, Directory())
                elif header.kind == b"2":
                    tar.check_target(name, header.link)
                    tree.add(name, Symlink(header.link))
                elif header.kind == b"1":
                    target = tar.normal(header.link)
                    file = tree.get(target)
                    if not isinstance(file, File):
                        raise PackageError(
                            f"{name} is a hard link to {header.link}, which is no file before it"
                        )
                    links[name] = links.get(target, target)
                    tree.add(name, file)
                elif header.kind in (b"3", b"4", b"6"):
                    raise PackageError(f"{name} is a device node or a fifo, which no package should hold")
                else:
                    raise PackageError(
                        f"{name} is a tar entry of the type {header.kind!r}, which deb(5) forbids"
                    )
        except PackageError as error:
            raise PackageError(f"{stem}{suffix}: {error.message}") from error
    return tree, links

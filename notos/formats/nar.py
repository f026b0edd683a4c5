"""NAR, the serialisation of a tree that Nix hashes (Nix manual, "Nix Archive (NAR) Format")."""

import hashlib
from collections.abc import Iterator

from notos.errors import StoreError
from notos.formats.tree import Device, Directory, File, Symlink, Tree


def pieces(tree: Tree) -> Iterator[bytes]:
    """The NAR of `tree` in order; a file's contents come in the pieces that File.chunks gives.

    Raises StoreError for a device node, which a NAR cannot hold.
    """
    children = tree.children()
    yield words("nix-archive-1")
    yield from _directory(tree, children, "")


def digest(tree: Tree) -> tuple[str, int]:
    """The sha256 of the NAR of `tree`, in hex, and its size in bytes."""
    hasher = hashlib.sha256()
    size = 0
    for piece in pieces(tree):
        hasher.update(piece)
        size += len(piece)
    return hasher.hexdigest(), size


def _directory(tree: Tree, children: dict[str, list[str]], path: str) -> Iterator[bytes]:
    yield words("(", "type", "directory")
    for name in children[path]:
        below = f"{path}/{name}" if path else name
        yield words("entry", "(", "name", name, "node")
        entry = tree.get(below)
        if isinstance(entry, Directory):
            yield from _directory(tree, children, below)
        elif isinstance(entry, Symlink):
            yield words("(", "type", "symlink", "target", entry.target, ")")
        elif isinstance(entry, File):
            yield from _file(entry, below)
        elif isinstance(entry, Device):
            raise StoreError(f"{below} is a device node, which the store cannot hold")
        yield words(")")
    yield words(")")


def _file(entry: File, path: str) -> Iterator[bytes]:
    size = entry.size
    kind = ("executable", "") if entry.executable else ()
    yield words("(", "type", "regular", *kind, "contents") + size.to_bytes(8, "little")
    seen = 0
    for piece in entry.chunks():
        seen += len(piece)
        yield piece
    if seen != size:
        raise StoreError(f"{path} changed while it was read", hint="run it again")
    yield bytes(-size % 8) + words(")")


def words(*texts: str) -> bytes:
    """Each word as NAR has strings: its length as 8 little-endian bytes, itself, zeros up to 8."""
    out = b""
    for word in texts:
        data = word.encode(errors="surrogateescape")
        out += len(data).to_bytes(8, "little") + data + bytes(-len(data) % 8)
    return out

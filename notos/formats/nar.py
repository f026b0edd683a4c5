"""A writer of NAR, the serialisation of a tree that Nix hashes (Nix manual, "Nix Archive (NAR) Format")."""

from collections.abc import Iterator

from notos.errors import StoreError
from notos.formats import names
from notos.formats.tree import Device, Directory, File, Symlink, Tree


def pieces(tree: Tree) -> Iterator[bytes]:
    """Yield the NAR of `tree`; a file's contents are in the pieces of File.chunks.

    Raises StoreError for a device node, which NAR cannot represent, and for a file that changes during the
    read.
    """
    children = tree.children()
    yield words("nix-archive-1")
    yield from _directory(tree, children, "")


def digest(tree: Tree) -> tuple[str, int]:
    """Return the sha256 of the NAR of `tree` in hex, and its size in bytes."""
    import hashlib

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
            raise StoreError(f"{below} is a device node; store objects cannot have these")
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
        raise StoreError(f"{path} changed during the read", hint="build again")
    yield bytes(-size % 8) + words(")")


def words(*texts: str) -> bytes:
    """Return `texts` as NAR strings: length as 64-bit little-endian integer, bytes, zeros up to 8 bytes."""
    out = b""
    for word in texts:
        data = names.encode(word)
        out += len(data).to_bytes(8, "little") + data + bytes(-len(data) % 8)
    return out

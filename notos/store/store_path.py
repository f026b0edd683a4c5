"""Store paths: names that Nix gives to content, and finding them in bytes. Nothing is written here.

Source: Nix manual, "Store Path Specification" and "Content-Addressing Store Objects"; for references
to oneself, HashModuloSink in Nix's libstore.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from notos.errors import StoreError
from notos.formats import nar
from notos.formats.tree import File, Symlink, Tree

STORE = "/nix/store"
ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
HASH_CHARS = 32
_NAME = re.compile(r"[0-9A-Za-z+?=_-][0-9A-Za-z+?=_.-]{0,210}")


def base32(data: bytes) -> str:
    """Nix's base 32 of `data`: the last bits first, without e, o, t and u."""
    number = int.from_bytes(data, "little")
    digits = (len(data) * 8 + 4) // 5
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(digits)))


def hash_part(path: str) -> str:
    """The 32 characters that name the content of a store path."""
    return path.removeprefix(f"{STORE}/")[:HASH_CHARS]


def placeholder(name: str) -> str:
    """A stand-in for the path of an object that must mention itself; of the same length as the path."""
    return _path("notos-placeholder", hashlib.sha256(name.encode()).hexdigest(), name)


def content_path(name: str, sha256: str, references: Iterable[str], *, self_reference: bool) -> str:
    """The path of a content-addressed tree ("source", recursive sha256) called `name`.

    `sha256` is the hex hash of its NAR, with references to itself zeroed; `references` are paths.
    Raises StoreError for a name that Nix refuses.
    """
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} cannot be the name of a store object")
    kind = ":".join(["source", *sorted(references), *(["self"] if self_reference else [])])
    return _path(kind, sha256, name)


def _path(kind: str, sha256: str, name: str) -> str:
    whole = hashlib.sha256(f"{kind}:sha256:{sha256}:{STORE}:{name}".encode()).digest()
    folded = bytearray(20)
    for place, byte in enumerate(whole):
        folded[place % 20] ^= byte
    return f"{STORE}/{base32(bytes(folded))}-{name}"


@dataclass(frozen=True)
class Scan:
    """What one reading of a tree's NAR tells."""

    sha256: str  # hex; occurrences of the object's own placeholder zeroed
    size: int  # bytes
    references: tuple[str, ...]  # the candidates that are mentioned, sorted
    self_reference: bool


def scan(tree: Tree, own: str, candidates: Iterable[str]) -> Scan:
    """Hash `tree` and find which of the paths `candidates`, and of its placeholder `own`, it mentions.

    A path is mentioned where its hash part occurs, as in Nix. File contents are searched as a whole,
    so that no reference is cut by the edge of a piece. Nix's source appends the offsets of references
    to oneself to what it hashes; Nix itself, 2.26, does not, and it is what we agree with.
    """
    wanted = {path: hash_part(path).encode() for path in candidates}
    mine = hash_part(own).encode()
    zeros = bytes(HASH_CHARS)
    found: set[str] = set()
    self_reference = False
    hasher = hashlib.sha256()
    size = 0
    for piece in nar.pieces(_in_memory(tree)):
        found.update(path for path, part in wanted.items() if path not in found and part in piece)
        if mine in piece:
            self_reference = True
            hasher.update(piece.replace(mine, zeros))
        else:
            hasher.update(piece)
        size += len(piece)
    return Scan(hasher.hexdigest(), size, tuple(sorted(found)), self_reference)


def rewritten(tree: Tree, old: str, new: str) -> Tree:
    """`tree` with the hash part of the path `old` replaced by that of `new`, everywhere but in names."""
    before, after = hash_part(old), hash_part(new)
    result = Tree()
    for path, entry in tree.items():
        if isinstance(entry, Symlink):
            result.symlink(path, entry.target.replace(before, after))
        elif isinstance(entry, File) and before.encode() in entry.read():
            content = entry.read().replace(before.encode(), after.encode())
            result.file(path, content, executable=entry.executable)
        else:
            result.add(path, entry)
    return result


def _in_memory(tree: Tree) -> Tree:
    """`tree` with all contents at hand, each a single piece of the NAR; one File stays one File."""
    loaded: dict[int, File] = {}
    result = Tree()
    for path, entry in tree.items():
        if isinstance(entry, File) and not isinstance(entry.content, bytes):
            result.add(path, loaded.setdefault(id(entry), File(entry.read(), entry.executable)))
        else:
            result.add(path, entry)
    return result

"""Store paths: their computation from content, and the search for them in bytes.

Source: Nix manual, "Store Path Specification" and "Content-Addressing Store Objects"; for self-references,
HashModuloSink in Nix's libstore.
"""

import re
from collections.abc import Iterable

from notos.errors import StoreError
from notos.formats import nar
from notos.formats.tree import File, Symlink, Tree
from notos.structs import dataclass

STORE = "/nix/store"
ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
HASH_CHARS = 32
_NAME = re.compile(r"[0-9A-Za-z+?=_-][0-9A-Za-z+?=_.-]{0,210}")


def base32(data: bytes) -> str:
    """Return `data` in Nix base 32: the last bits first, without e, o, t and u."""
    number = int.from_bytes(data, "little")
    digits = (len(data) * 8 + 4) // 5
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(digits)))


def hash_part(path: str) -> str:
    """Return the hash part of a store path, 32 characters."""
    return path.removeprefix(f"{STORE}/")[:HASH_CHARS]


def placeholder(name: str) -> str:
    """Return a placeholder for the path of an object that refers to itself, of the same length."""
    import hashlib

    return _path("notos-placeholder", hashlib.sha256(name.encode()).hexdigest(), name)


def content_path(name: str, sha256: str, references: Iterable[str], *, self_reference: bool) -> str:
    """Return the path of a content-addressed tree ("source", recursive sha256) called `name`.

    `sha256` is the hex hash of its NAR with self-references zeroed; `references` are store paths.
    Raises StoreError for a name that Nix does not allow.
    """
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} cannot be the name of a store object")
    kind = ":".join(["source", *sorted(references), *(["self"] if self_reference else [])])
    return _path(kind, sha256, name)


def _path(kind: str, sha256: str, name: str) -> str:
    import hashlib

    whole = hashlib.sha256(f"{kind}:sha256:{sha256}:{STORE}:{name}".encode()).digest()
    folded = bytearray(20)
    for place, byte in enumerate(whole):
        folded[place % 20] ^= byte
    return f"{STORE}/{base32(bytes(folded))}-{name}"


@dataclass(frozen=True)
class Scan:
    """The hash, size and references of a tree's NAR."""

    sha256: str  # hex; with occurrences of the object's placeholder zeroed
    size: int  # bytes
    references: tuple[str, ...]  # the candidates that occur, sorted
    self_reference: bool


def scan(tree: Tree, own: str, candidates: Iterable[str]) -> Scan:
    """Hash the NAR of `tree`, and find occurrences of the paths `candidates` and of its placeholder `own`.

    A reference is an occurrence of the hash part, as in Nix. File contents are searched as a whole, so that
    no reference is split between two pieces. According to its source, Nix also hashes the offsets of
    self-references. The program Nix 2.26 does not, and this function matches it.
    """
    import hashlib

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
    """Return `tree` with the hash part of `old` replaced by that of `new` in contents and link targets."""
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
    """Return `tree` with all contents in memory, each as a single piece; hard links are preserved."""
    loaded: dict[int, File] = {}
    result = Tree()
    for path, entry in tree.items():
        if isinstance(entry, File) and not isinstance(entry.content, bytes):
            result.add(path, loaded.setdefault(id(entry), File(entry.read(), entry.executable)))
        else:
            result.add(path, entry)
    return result

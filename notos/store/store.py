"""A store of canonical, content-addressed objects on this host, with the layout of /nix/store.

    <root>/<hash>-<name>/                 the object: all times are 1, as in Nix; files are 0444 or 0555
    <root>/.objects/<hash>-<name>.json    its manifest: path, narHash, narSize, references
    <root>/.new-…/                        an object that is being written

An object is written to a temporary folder, and renamed after its manifest: an object whose folder exists is
complete and has a manifest. Folders are 0755, so that their owner can remove them with rm. NARs and images
always have 0555.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from notos import atomic
from notos.errors import StoreError
from notos.formats import nar
from notos.formats.tree import Tree
from notos.store import store_path
from notos.store.store_path import STORE, placeholder
from notos.structs import dataclass

__all__ = ["STORE", "Store", "StoreObject", "placeholder", "references_first", "registration"]


@dataclass(frozen=True)
class StoreObject:
    """An object's manifest."""

    path: str  # /nix/store/<hash>-<name>
    nar_hash: str  # sha256:<64 hex digits>
    nar_size: int  # bytes
    references: tuple[str, ...]  # store paths, sorted; may include the object itself

    @property
    def base(self) -> str:
        """Return <hash>-<name>."""
        return self.path.removeprefix(f"{STORE}/")

    def to_json(self) -> bytes:
        """Return the manifest as sorted JSON."""
        fields = {
            "narHash": self.nar_hash,
            "narSize": self.nar_size,
            "path": self.path,
            "references": list(self.references),
        }
        return (json.dumps(fields, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> "StoreObject":
        """Read a manifest. Raises StoreError if it is invalid."""
        try:
            fields = json.loads(data)
            references = tuple(fields["references"])
            return cls(fields["path"], fields["narHash"], fields["narSize"], references)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError("a manifest cannot be read", hint="run `./doit clean`") from error


@dataclass(frozen=True)
class Store:
    """The store in the folder `root`."""

    root: Path

    def location(self, obj: StoreObject) -> Path:
        """Return the path of the object on this host."""
        return self.root / obj.base

    def tree(self, obj: StoreObject) -> Tree:
        """Return the object's tree. Contents stay on disk until they are read."""
        return Tree.from_directory(self.location(obj))

    def nar(self, obj: StoreObject) -> Iterator[bytes]:
        """Yield the object's NAR in pieces. Raises StoreError at the end if its hash is wrong."""
        import hashlib

        hasher = hashlib.sha256()
        for piece in nar.pieces(self.tree(obj)):
            hasher.update(piece)
            yield piece
        if f"sha256:{hasher.hexdigest()}" != obj.nar_hash:
            raise StoreError(f"{self.location(obj)} was changed", hint="run `./doit clean` and build again")

    def intact(self, obj: StoreObject) -> bool:
        """Return True if the object and its manifest exist. Contents are not checked."""
        return self.location(obj).is_dir() and self._manifest(obj.path).is_file()

    def add(self, name: str, tree: Tree, references: Iterable[StoreObject] = ()) -> StoreObject:
        """Add `tree` to the store as an object called `name`, unless it exists; return the object.

        Its references are those of `references` whose hash part occurs in its bytes. placeholder(name) in
        its bytes is replaced by its own path. Raises StoreError.
        """
        own = placeholder(name)
        scan = store_path.scan(tree, own, [each.path for each in references])
        path = store_path.content_path(name, scan.sha256, scan.references, self_reference=scan.self_reference)
        mentioned, sha256 = scan.references, scan.sha256
        if scan.self_reference:
            tree = store_path.rewritten(tree, own, path)
            mentioned = tuple(sorted([*mentioned, path]))
            sha256, _ = nar.digest(tree)
        obj = StoreObject(path, f"sha256:{sha256}", scan.size, mentioned)
        if not self.intact(obj):
            self._write(obj, tree)
        return obj

    def find(self, path: str) -> StoreObject:
        """Return the object with this store path. Raises StoreError if it is not in the store."""
        try:
            return StoreObject.from_json(self._manifest(path).read_bytes())
        except FileNotFoundError as error:
            raise StoreError(f"{path} is not in {self.root}", hint="run `./doit clean`") from error

    def closure(self, roots: Iterable[StoreObject]) -> list[StoreObject]:
        """Return `roots` and their references, recursively, sorted by path.

        Raises StoreError if an object is missing.
        """
        found = {each.path: each for each in roots}
        pending = list(found.values())
        while pending:
            for path in pending.pop().references:
                if path not in found:
                    found[path] = self.find(path)
                    pending.append(found[path])
        return [found[path] for path in sorted(found)]

    def objects(self) -> list[StoreObject]:
        """Return all objects, sorted by path."""
        files = sorted((self.root / ".objects").glob("*.json"))
        return [StoreObject.from_json(file.read_bytes()) for file in files]

    def remove(self, obj: StoreObject) -> None:
        """Remove the object from the store."""
        if self.location(obj).exists():
            with atomic.scratch(self.root) as scratch:
                atomic.make_writable(self.location(obj))
                self.location(obj).rename(scratch / "object")
        self._manifest(obj.path).unlink(missing_ok=True)

    def _manifest(self, path: str) -> Path:
        return self.root / ".objects" / f"{path.removeprefix(f'{STORE}/')}.json"

    def _write(self, obj: StoreObject, tree: Tree) -> None:
        manifest = self._manifest(obj.path)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        with atomic.folder(self.location(obj)) as new:
            tree.write_to(new, canonical=True)
            atomic.write(manifest, obj.to_json())


def references_first(objects: Sequence[StoreObject]) -> Iterator[StoreObject]:
    """Yield `objects`, each one after its references."""
    by_path = {each.path: each for each in objects}
    done: set[str] = set()

    def visit(obj: StoreObject) -> Iterator[StoreObject]:
        done.add(obj.path)
        for path in obj.references:
            if path in by_path and path not in done:
                yield from visit(by_path[path])
        yield obj

    for each in objects:
        if each.path not in done:
            yield from visit(each)


def registration(objects: Sequence[StoreObject]) -> bytes:
    """Return the input of `nix-store --load-db` (Nix manual) for `objects`.

    Per object, sorted by path, it has these lines: path, sha256 of the NAR in hex, size of the NAR in bytes,
    an empty deriver, the number of references, the references.
    """
    lines = []
    for each in sorted(objects, key=lambda obj: obj.path):
        sha256 = each.nar_hash.removeprefix("sha256:")
        lines += [each.path, sha256, str(each.nar_size), "", str(len(each.references)), *each.references]
    return "".join(f"{line}\n" for line in lines).encode()

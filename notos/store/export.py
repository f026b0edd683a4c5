"""The export format that `nix-store --import` reads: store objects, each followed by its metadata.

Source: exportPaths and importPaths in Nix's libstore (export-import.cc).
"""

from collections.abc import Iterator, Sequence

from notos.formats import nar
from notos.store.store import Store, StoreObject, references_first

_MAGIC = 0x4558494E  # "NIXE"


def pieces(store: Store, objects: Sequence[StoreObject]) -> Iterator[bytes]:
    """Yield the export of `objects`, each one after its references.

    Raises StoreError before the end of an object that does not match its manifest.
    """
    for obj in references_first(objects):
        yield _number(1)
        yield from store.nar(obj)
        yield _number(_MAGIC) + nar.words(obj.path)
        yield _number(len(obj.references)) + nar.words(*obj.references)
        yield nar.words("") + _number(0)  # no deriver, no signature
    yield _number(0)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little")

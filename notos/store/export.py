"""What `nix-store --import` reads: store objects one after the other, each with what Nix is to know of it.

Source: exportPaths and importPaths in Nix's libstore (export-import.cc).
"""

from collections.abc import Iterator, Sequence

from notos.formats import nar
from notos.store.store import Store, StoreObject, references_first

_MAGIC = 0x4558494E  # "NIXE"


def pieces(store: Store, objects: Sequence[StoreObject]) -> Iterator[bytes]:
    """The export of `objects`, each after those that it refers to.

    An object that is not as its manifest says is not sent to its end. Raises StoreError for it.
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

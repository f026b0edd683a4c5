"""The format of `nix-store --import`, checked by real Nix."""

from collections.abc import Callable
from pathlib import Path

import pytest

from notos.errors import StoreError, ToolError
from notos.store import export
from notos.store.store import Store
from tests.trees import family

Nix = Callable[..., bytes]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return Store(tmp_path / "store")


def test_nix_takes_it_and_says_the_same(store: Store, nix: Nix) -> None:
    objects = family(store)
    data = b"".join(export.pieces(store, objects))
    paths = nix("nix-store", "--import", input=data).decode().split()
    assert sorted(paths) == sorted(each.path for each in objects)
    assert nix("nix-store", "--export", *paths) == data
    for each in objects:
        assert sorted(nix("nix-store", "-q", "--references", each.path).decode().split()) == list(
            each.references
        )
        assert nix("nix-store", "-q", "--hash", each.path).decode().strip() != ""
    nix("nix-store", "--verify", "--check-contents")


def test_what_is_cut_off_is_not_taken(store: Store, nix: Nix) -> None:
    (obj,) = family(store)[1:2]
    data = b"".join(export.pieces(store, [obj]))
    for end in (8, len(data) // 2, len(data) - 9):
        with pytest.raises(ToolError):
            nix("nix-store", "--import", input=data[:end])
        with pytest.raises(ToolError):
            nix("nix-store", "--check-validity", obj.path)


def test_an_object_that_was_changed_is_not_sent_to_its_end(store: Store) -> None:
    obj = family(store)[1]
    path = store.location(obj) / "bin/hello"
    path.chmod(0o755)
    path.write_text("#!/bin/sh\necho HELLO\n")
    pieces: list[bytes] = []
    with pytest.raises(StoreError, match=r"was changed: run `\./doit clean`"):
        pieces.extend(export.pieces(store, [obj]))
    assert obj.path.encode() not in b"".join(pieces)

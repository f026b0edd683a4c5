"""A Nix binary cache: store objects as files that any web server can serve, signed.

    <folder>/nix-cache-info
    <folder>/<hash>.narinfo               what is known of an object, and the signature of that
    <folder>/nar/<hash of file>.nar.zst   its NAR

Objects are signed, and not called content-addressed (CA), although they are: Nix would take those
without a signature. Sources: Nix manual, "Store Types / HTTP Binary Cache Store"; for what is signed,
ValidPathInfo::fingerprint in Nix's libstore.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

from notos import atomic
from notos.errors import StoreError
from notos.store.signing_key import SigningKey
from notos.store.store import STORE, Store, StoreObject, references_first
from notos.store.store_path import base32, hash_part

INFO = f"StoreDir: {STORE}\nWantMassQuery: 1\nPriority: 40\n"
LEVEL = 12  # zstd's: 1.3 s for 60 MB on two cores; 19 takes ten times that for a tenth less


@dataclass(frozen=True)
class Published:
    """What came of it."""

    objects: int
    written: int  # of them; the others were there
    size: int  # bytes of the NARs that were written


def publish(folder: Path, store: Store, objects: Sequence[StoreObject], key: SigningKey) -> Published:
    """Write `objects`, a closure, into the cache at `folder`, and nothing that is there already.

    An object's narinfo comes last, and after those of what it refers to, so that a cache that is
    served meanwhile never promises what it has not. Raises StoreError, OSError.
    """
    _check(folder)
    (folder / "nar").mkdir(parents=True, exist_ok=True)
    for left in [*atomic.leftovers(folder), *atomic.leftovers(folder / "nar")]:
        atomic.remove_folder(left) if left.is_dir() else left.unlink()
    atomic.write_if_changed(folder / "nix-cache-info", INFO)
    written = size = 0
    for each in references_first(objects):
        path = folder / f"{hash_part(each.path)}.narinfo"
        if _has(folder, path, each, key):
            continue
        file_hash, file_size = _pack(folder / "nar", store, each)
        atomic.write_if_changed(path, _narinfo(each, file_hash, file_size, key))
        written, size = written + 1, size + file_size
    return Published(len(objects), written, size)


def fingerprint(obj: StoreObject) -> str:
    """What of an object is signed."""
    return f"1;{obj.path};{_nix32(obj)};{obj.nar_size};{','.join(obj.references)}"


def _nix32(obj: StoreObject) -> str:
    return "sha256:" + base32(bytes.fromhex(obj.nar_hash.removeprefix("sha256:")))


def _narinfo(obj: StoreObject, file_hash: str, file_size: int, key: SigningKey) -> str:
    fields = {
        "StorePath": obj.path,
        "URL": f"nar/{file_hash}.nar.zst",
        "Compression": "zstd",
        "FileHash": f"sha256:{file_hash}",
        "FileSize": file_size,
        "NarHash": _nix32(obj),
        "NarSize": obj.nar_size,
        "References": " ".join(each.removeprefix(f"{STORE}/") for each in obj.references),
        "Sig": key.sign(fingerprint(obj)),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())  # Nix wants the blank in any case


def _has(folder: Path, narinfo: Path, obj: StoreObject, key: SigningKey) -> bool:
    """Whether the cache has the object, as we would write it, and its NAR in full length."""
    try:
        text = narinfo.read_text()
        said = dict(line.partition(": ")[::2] for line in text.splitlines())
        file_hash, file_size = said["FileHash"].removeprefix("sha256:"), int(said["FileSize"])
        there = (folder / "nar" / f"{file_hash}.nar.zst").stat().st_size
    except (OSError, KeyError, ValueError):
        return False
    return text == _narinfo(obj, file_hash, file_size, key) and there == file_size


def _pack(folder: Path, store: Store, obj: StoreObject) -> tuple[str, int]:
    """Write the object's NAR; the hash of the file, in Nix's base 32, and its size."""
    hasher, size = hashlib.sha256(), 0
    with atomic.scratch(folder) as scratch:
        made = scratch / "nar"
        with made.open("wb") as out:
            # One worker or many write the same bytes; none at all would write others.
            packer = zstandard.ZstdCompressor(level=LEVEL, threads=os.cpu_count() or 1).compressobj()
            for piece in store.nar(obj):
                packed = packer.compress(piece)
                hasher.update(packed)
                size += out.write(packed)
            packed = packer.flush()
            hasher.update(packed)
            size += out.write(packed)
        file_hash = base32(hasher.digest())
        # Durable: a later run believes that a NAR of the right length is whole, and the narinfo promises it.
        atomic.move(made, folder / f"{file_hash}.nar.zst", durable=True)
    return file_hash, size


def _check(folder: Path) -> None:
    """Raise StoreError where `folder` is a cache of another store, or something else altogether."""
    info = folder / "nix-cache-info"
    if info.exists():
        if f"StoreDir: {STORE}\n" not in info.read_text():
            raise StoreError(f"{folder} is a cache of another store than {STORE}", hint="name another folder")
    elif folder.exists() and {path.name for path in folder.iterdir()} - {"nar", atomic.beside(info).name}:
        raise StoreError(f"{folder} is not empty, and no binary cache", hint="name another folder")

"""A Nix binary cache: signed store objects as files for any web server.

    <folder>/nix-cache-info
    <folder>/<hash>.narinfo               the metadata of an object, with a signature
    <folder>/nar/<hash of file>.nar.zst   its NAR

Objects are signed and not declared content-addressed (CA), although they are: Nix accepts CA objects
without a signature. Sources: Nix manual, "Store Types / HTTP Binary Cache Store"; for the signature,
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
LEVEL = 12  # of zstd: 1.3 s for 60 MB on two cores; level 19 takes 10 times as long for 10 % less


@dataclass(frozen=True)
class Published:
    """The result of publish()."""

    objects: int
    written: int  # objects that the cache lacked before
    size: int  # bytes; of the written NARs, compressed


def publish(folder: Path, store: Store, objects: Sequence[StoreObject], key: SigningKey) -> Published:
    """Write those of `objects`, a closure, that the cache in `folder` lacks.

    An object's narinfo is written after its NAR and after the narinfo of its references, so that the cache
    is consistent while it is served. Raises StoreError, OSError.
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
    """Return the text that the signature of an object covers."""
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
    return "".join(f"{name}: {value}\n" for name, value in fields.items())  # Nix requires the space


def _has(folder: Path, narinfo: Path, obj: StoreObject, key: SigningKey) -> bool:
    """Return True if the cache has the same narinfo that publish() writes, and a NAR of the right size."""
    try:
        text = narinfo.read_text()
        fields = dict(line.partition(": ")[::2] for line in text.splitlines())
        file_hash, file_size = fields["FileHash"].removeprefix("sha256:"), int(fields["FileSize"])
        actual = (folder / "nar" / f"{file_hash}.nar.zst").stat().st_size
    except (OSError, KeyError, ValueError):
        return False
    return text == _narinfo(obj, file_hash, file_size, key) and actual == file_size


def _pack(folder: Path, store: Store, obj: StoreObject) -> tuple[str, int]:
    """Write the object's NAR; return the file's hash in Nix base 32 and its size in bytes."""
    hasher, size = hashlib.sha256(), 0
    with atomic.scratch(folder) as scratch:
        made = scratch / "nar"
        with made.open("wb") as out:
            # The bytes are the same for any number of workers except 0.
            packer = zstandard.ZstdCompressor(level=LEVEL, threads=os.cpu_count() or 1).compressobj()
            for piece in store.nar(obj):
                packed = packer.compress(piece)
                hasher.update(packed)
                size += out.write(packed)
            packed = packer.flush()
            hasher.update(packed)
            size += out.write(packed)
        file_hash = base32(hasher.digest())
        # Durable: a later run accepts a NAR of the right size, and the narinfo refers to it.
        atomic.move(made, folder / f"{file_hash}.nar.zst", durable=True)
    return file_hash, size


def _check(folder: Path) -> None:
    """Raise StoreError if `folder` is a cache of another store, or has other files."""
    info = folder / "nix-cache-info"
    if info.exists():
        if f"StoreDir: {STORE}\n" not in info.read_text():
            raise StoreError(f"{folder} is a cache of a store other than {STORE}", hint="name another folder")
    elif folder.exists() and {path.name for path in folder.iterdir()} - {"nar", atomic.beside(info).name}:
        raise StoreError(f"{folder} is not empty and not a binary cache", hint="name another folder")

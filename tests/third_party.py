"""Repositories of third parties: each in a folder, with a key and a layout like those in the field."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pysequoia

from tests.signed_archive import Deb, stamp

NOW = datetime.now(UTC)
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
}


def new_key(name: str = "Third party", **options: Any) -> Any:
    """Return a new key of OpenPGP with its secret parts."""
    return pysequoia.Tsk.generate(user_id=f"{name} <key@third.example>", **options)


def certificate(*keys: Any, armored: bool = True) -> bytes:
    """Return the certificates of keys as one file."""
    data = b"".join(bytes(each.extract_certificate()) for each in keys)
    if not armored:
        return data
    text = pysequoia.armor(data, pysequoia.ArmorKind.PublicKey)
    return text.encode() if isinstance(text, str) else bytes(text)


@dataclass
class Repository:
    """A repository in `root`, signed by `keys`."""

    root: Path
    keys: list[Any] = field(default_factory=lambda: [new_key()])

    def publish(
        self,
        *debs: Deb,
        suite: str = "stable",
        components: Sequence[str] = ("main",),
        compressions: Sequence[str] = (".gz",),
        detached: bool = False,
        by_hash: bool = False,
        fields: Mapping[str, str | None] = {},
        stanzas: Callable[[str], str] = str,
        age: timedelta = timedelta(hours=1),
        encoding: str = "utf-8",
    ) -> None:
        """Make `debs` all that a suite has; it is flat if its name ends in a slash.

        `stanzas` alters the text of the index, whose `encoding` should be UTF-8.
        `fields` of the Release replace those that it would have.
        """
        flat = suite.endswith("/")
        folder = self.root / suite if flat else self.root / "dists" / suite
        places = [(each, f"{'./' if flat else 'pool/'}{each.file_name}") for each in debs]
        for each, place in places:
            write(self.root / place, each.build())
        text = stanzas("\n".join(each.stanza(place) for each, place in places)).encode(encoding)
        listed = ""
        for component in ("",) if flat else components:
            path = "Packages" if flat else f"{component}/binary-amd64/Packages"
            for suffix in compressions:
                data = COMPRESSIONS[suffix](text)
                digest = hashlib.sha256(data).hexdigest()
                write(folder / f"{path}{suffix}", data)
                if by_hash:
                    write(folder / Path(path).parent / "by-hash/SHA256" / digest, data)
                listed += f"\n {digest} {len(data):>16} {path}{suffix}"
        release: dict[str, str | None] = {
            "Origin": "Third party",
            "Suite": None if flat else suite,
            "Codename": None if flat else suite,
            "Date": stamp(datetime.now(UTC) - age),
            "Acquire-By-Hash": "yes" if by_hash else None,
            "SHA256": listed,
            **fields,
        }
        signed = "".join(
            f"{name}: {value}\n" for name, value in release.items() if value is not None
        ).encode()
        for name in ("InRelease", "Release", "Release.gpg"):
            (folder / name).unlink(missing_ok=True)
        if detached:
            write(folder / "Release", signed)
            mode = pysequoia.SignatureMode.DETACHED
            signatures = [pysequoia.sign(key.signer(), signed, mode=mode) for key in self.keys]
            write(folder / "Release.gpg", b"".join(map(_bytes, signatures)))
        else:
            mode = pysequoia.SignatureMode.CLEAR
            write(folder / "InRelease", _bytes(pysequoia.sign(self.keys[0].signer(), signed, mode=mode)))

    def key_file(self, path: Path, *, armored: bool = True) -> Path:
        """Write the certificates of the keys to a file."""
        write(path, certificate(*self.keys, armored=armored))
        return path


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)

"""InRelease and Release files: the signed index of a suite's indexes. This module fetches nothing.

Only text with a valid signature by a trusted key is read. Source: apt-secure(8) and the Debian wiki's
DebianRepository/Format.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from notos.debian import deb822
from notos.debian.keyring import Trust
from notos.errors import SignatureError

if TYPE_CHECKING:
    from pysequoia import Cert, Sig

KEYS = Path(__file__).parent / "keys"

_HASH = re.compile(r"([0-9a-f]{64})\s+([0-9]+)\s+(\S+)")


@dataclass(frozen=True)
class Listed:
    """A file in a Release: its size in bytes and its sha256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """A verified Release: its suite and codename, and its files by their path below dists/SUITE.

    `date` is when it was made, None if it does not say so; `expires` is True if it has a Valid-Until.
    """

    suite: str
    codename: str
    by_hash: bool
    files: Mapping[str, Listed]
    date: datetime | None = None
    expires: bool = False

    @property
    def title(self) -> str:
        """Its codename, or else its suite; a flat repository may have neither."""
        return self.codename or self.suite


def certificates(folder: Path = KEYS) -> "list[Cert]":
    """Return the archive keys in `folder`, by default those shipped with Notos (docs/keys.md)."""
    from pysequoia import Cert

    return [Cert.from_bytes(path.read_bytes()) for path in sorted(folder.glob("*.asc"))]


def read(
    data: bytes,
    trust: Trust,
    *,
    expected: str,
    shown: str,
    signature: bytes | None = None,
    check_valid_until: bool = True,
    now: datetime | None = None,
) -> Release:
    """Verify `data` and return it: an InRelease, or a Release with its detached `signature`.

    `expected` is the suite, by name or codename; "" accepts any, for a flat repository. `shown` is its
    address, for messages. Raises SignatureError if it has no valid signature by a key of `trust`, is of
    another suite, or is expired (unless `check_valid_until` is false) or not yet valid, or has no sha256.
    """
    text = _signed(data, trust, shown) if signature is None else _detached(data, signature, trust, shown)
    fields = next(deb822.paragraphs(text), {})
    suite, codename = fields.get("Suite", ""), fields.get("Codename", "")
    if expected and not {suite, codename} & _names(expected):
        raise SignatureError(
            f"{shown} is of the suite {suite} ({codename}), not of {expected}",
            hint=f"check {trust.suite}",
            keys=trust.keys,
        )
    made = _check_time(fields, now or datetime.now(UTC), shown, check_valid_until, trust)
    files = {
        match[3].removeprefix("./"): Listed(int(match[2]), match[1])
        for line in fields.get("SHA256", "").splitlines()
        if (match := _HASH.fullmatch(line.strip()))
    }
    if not files:
        hint = "its owner must publish sha256 hashes; weaker ones verify nothing"
        raise SignatureError(f"{shown} lists no files by sha256", hint=hint, keys=trust.keys)
    by_hash = fields.get("Acquire-By-Hash") == "yes"
    return Release(suite, codename, by_hash, files, made, "Valid-Until" in fields)


def _names(expected: str) -> set[str]:
    """Return the names that the Release of a suite may have: of trixie/updates also one of its parts."""
    parts = expected.strip("/").split("/")
    return {"/".join(parts[at:end]) for at in range(len(parts)) for end in range(at + 1, len(parts) + 1)}


def _signed(data: bytes, trust: Trust, shown: str) -> str:
    """Return only the signed text: bytes before and after it are not trustworthy."""
    import pysequoia

    try:
        signed = pysequoia.verify(data, store=lambda _ids: list(trust.certs))
    except RuntimeError as error:
        raise _untrusted(shown, trust) from error
    return (signed.bytes or b"").decode(errors="replace")


def _detached(data: bytes, signature: bytes, trust: Trust, shown: str) -> str:
    """Return the text of a Release, one of whose detached signatures is good."""
    import pysequoia

    for each in _signatures(signature):
        try:
            pysequoia.verify(data, store=lambda _ids: list(trust.certs), signature=each)
        except RuntimeError:
            continue
        return data.decode(errors="replace")
    raise _untrusted(shown, trust)


def _signatures(data: bytes) -> "Sequence[Sig]":
    """Return all signatures in a Release.gpg: armored blocks, or binary packets (RFC 9580, 4.2)."""
    from pysequoia import Sig
    from pysequoia.packet import PacketPile, Tag

    mark = b"-----BEGIN PGP SIGNATURE-----"
    blocks = [mark + each for each in data.split(mark)[1:]] or [data]
    found = []
    for block in blocks:
        try:
            bodies = [each.body for each in PacketPile.from_bytes(block) if each.tag == Tag.Signature]
            # Each as a packet of its own, in the new format with a length of four octets.
            found += [
                Sig.from_bytes(b"\xc2\xff" + len(each).to_bytes(4, "big") + bytes(each)) for each in bodies
            ]
        except RuntimeError:  # not OpenPGP
            continue
    return found


def _untrusted(shown: str, trust: Trust) -> SignatureError:
    return SignatureError(
        f"{shown} has no good signature by {trust.signer}", hint=trust.hint, keys=trust.keys
    )


def _check_time(
    fields: Mapping[str, str], now: datetime, shown: str, check_valid_until: bool, trust: Trust
) -> datetime | None:
    """Return the index's Date. Raises SignatureError if it is expired (Valid-Until) or from the future."""
    clock = f"this host's clock shows {now:%Y-%m-%d %H:%M} UTC"
    try:
        made, until = (
            parsedate_to_datetime(fields[each]) if each in fields else None
            for each in ("Date", "Valid-Until")
        )
    except ValueError as error:
        hint = "name another mirror"
        raise SignatureError(f"{shown} has an invalid date", hint=hint, keys=trust.keys) from error
    if check_valid_until and until and now > until:
        raise SignatureError(
            f"{shown} was valid until {fields['Valid-Until']}, and {clock}",
            hint="set the clock if it is wrong; otherwise the mirror is out of date: name another one, or "
            f"set {trust.until}",
            keys=trust.keys,
        )
    if made and now < made:
        message = f"{shown} is from {fields['Date']}, and {clock}"
        raise SignatureError(message, hint="set the clock", keys=trust.keys)
    return made

"""InRelease: what a suite's signed index of indexes says; it never fetches anything.

Only text that a good signature by one of our keys covers is looked at. Source: apt-secure(8) and the
Debian wiki's DebianRepository/Format.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from notos.debian import deb822
from notos.errors import SignatureError

if TYPE_CHECKING:
    from pysequoia import Cert

KEYS = Path(__file__).parent / "keys"

_HASH = re.compile(r"([0-9a-f]{64})\s+([0-9]+)\s+(\S+)")


@dataclass(frozen=True)
class Listed:
    """A file that a Release lists: its size in bytes and its sha256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """A verified Release: which suite it is, and its files by their path below dists/SUITE."""

    suite: str
    codename: str
    by_hash: bool
    files: Mapping[str, Listed]


def certificates(folder: Path = KEYS) -> "list[Cert]":
    """The archive keys in `folder`, by default those that Notos ships (docs/keys.md)."""
    from pysequoia import Cert

    return [Cert.from_bytes(path.read_bytes()) for path in sorted(folder.glob("*.asc"))]


def read(
    data: bytes, certs: "Iterable[Cert]", *, asked: str, where: str, now: datetime | None = None
) -> Release:
    """Verify the InRelease `data`, which is to be that of the suite `asked` (its name or codename).

    `where` is its address, for messages. Raises SignatureError: no good signature by one of `certs`,
    another suite, or one that is no longer or not yet valid.
    """
    fields = next(deb822.paragraphs(_signed(data, list(certs), where)), {})
    suite, codename = fields.get("Suite", ""), fields.get("Codename", "")
    if asked not in (suite, codename):
        raise SignatureError(
            f"{where} is of the suite {suite} ({codename}), not of {asked}",
            hint="check debian.suite in the config, and the mirror",
        )
    _check_time(fields, now or datetime.now(UTC), where)
    files = {
        match[3]: Listed(int(match[2]), match[1])
        for line in fields.get("SHA256", "").splitlines()
        if (match := _HASH.fullmatch(line.strip()))
    }
    return Release(suite, codename, fields.get("Acquire-By-Hash") == "yes", files)


def _signed(data: bytes, certs: "list[Cert]", where: str) -> str:
    """The text that is signed, and only that: bytes before and after it are anybody's."""
    import pysequoia

    try:
        signed = pysequoia.verify(data, store=lambda _ids: certs)
    except RuntimeError as error:
        raise SignatureError(
            f"{where} has no good signature by a key of Debian's archive",
            hint="check the mirror, and this host's clock; docs/keys.md lists the keys",
        ) from error
    return (signed.bytes or b"").decode(errors="replace")


def _check_time(fields: Mapping[str, str], now: datetime, where: str) -> None:
    """Refuse an index that is kept back (Valid-Until), and notice a clock that is wrong (Date)."""
    clock = f"this host's clock says {now:%Y-%m-%d %H:%M} UTC"
    try:
        made, until = (
            parsedate_to_datetime(fields[each]) if each in fields else None
            for each in ("Date", "Valid-Until")
        )
    except ValueError as error:
        raise SignatureError(f"{where} has a date that is none", hint="name another mirror") from error
    if until and now > until:
        raise SignatureError(
            f"{where} was valid until {fields['Valid-Until']}, and {clock}",
            hint="set the clock if it is wrong; else the mirror is out of date: name another one",
        )
    if made and now < made:
        raise SignatureError(f"{where} is from {fields['Date']}, and {clock}", hint="set the clock")

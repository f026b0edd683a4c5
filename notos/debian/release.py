"""InRelease files: the signed index of a suite's indexes. This module fetches nothing.

Only text with a valid signature by a shipped key is read. Source: apt-secure(8) and the Debian wiki's
DebianRepository/Format.
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
    """A file in a Release: its size in bytes and its sha256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """A verified Release: its suite and codename, and its files by their path below dists/SUITE."""

    suite: str
    codename: str
    by_hash: bool
    files: Mapping[str, Listed]


def certificates(folder: Path = KEYS) -> "list[Cert]":
    """Return the archive keys in `folder`, by default those shipped with Notos (docs/keys.md)."""
    from pysequoia import Cert

    return [Cert.from_bytes(path.read_bytes()) for path in sorted(folder.glob("*.asc"))]


def read(
    data: bytes,
    certs: "Iterable[Cert]",
    *,
    expected: str,
    shown: str,
    check_valid_until: bool = True,
    now: datetime | None = None,
) -> Release:
    """Verify the InRelease `data` and return it. `expected` is the suite, by name or codename.

    `shown` is its address, for messages. Raises SignatureError if it has no valid signature by one of
    `certs`, is of another suite, or is expired (unless `check_valid_until` is false) or not yet valid.
    """
    fields = next(deb822.paragraphs(_signed(data, list(certs), shown)), {})
    suite, codename = fields.get("Suite", ""), fields.get("Codename", "")
    if expected not in (suite, codename):
        raise SignatureError(
            f"{shown} is of the suite {suite} ({codename}), not of {expected}",
            hint="check debian.suite in the config, and the mirror",
        )
    _check_time(fields, now or datetime.now(UTC), shown, check_valid_until)
    files = {
        match[3]: Listed(int(match[2]), match[1])
        for line in fields.get("SHA256", "").splitlines()
        if (match := _HASH.fullmatch(line.strip()))
    }
    return Release(suite, codename, fields.get("Acquire-By-Hash") == "yes", files)


def _signed(data: bytes, certs: "list[Cert]", shown: str) -> str:
    """Return only the signed text: bytes before and after it are not trustworthy."""
    import pysequoia

    try:
        signed = pysequoia.verify(data, store=lambda _ids: certs)
    except RuntimeError as error:
        raise SignatureError(
            f"{shown} has no good signature by a key of Debian's archive",
            hint="check the mirror and this host's clock; docs/keys.md lists the keys",
        ) from error
    return (signed.bytes or b"").decode(errors="replace")


def _check_time(fields: Mapping[str, str], now: datetime, shown: str, check_valid_until: bool) -> None:
    """Raise SignatureError for an expired index (Valid-Until), or one from the future (Date)."""
    clock = f"this host's clock shows {now:%Y-%m-%d %H:%M} UTC"
    try:
        made, until = (
            parsedate_to_datetime(fields[each]) if each in fields else None
            for each in ("Date", "Valid-Until")
        )
    except ValueError as error:
        raise SignatureError(f"{shown} has an invalid date", hint="name another mirror") from error
    if check_valid_until and until and now > until:
        raise SignatureError(
            f"{shown} was valid until {fields['Valid-Until']}, and {clock}",
            hint="set the clock if it is wrong; otherwise the mirror is out of date: name another one, or "
            "set debian.check_valid_until: false to use the packages of that day",
        )
    if made and now < made:
        raise SignatureError(f"{shown} is from {fields['Date']}, and {clock}", hint="set the clock")

"""Keys that sign archives: files of OpenPGP certificates, and which archive each key may vouch for.

Source: RFC 9580; apt-secure(8). A certificate that is expired, revoked or too weak verifies nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from notos.errors import SignatureError

if TYPE_CHECKING:
    from pysequoia import Cert


@dataclass(frozen=True)
class Trust:
    """The certificates that may sign an archive, and the words for it in errors.

    `signer` names the keys. `suite` and `until` are keys of the config, which `keys` is the path of.
    """

    certs: "tuple[Cert, ...]"
    signer: str = "a key of Debian's archive"
    hint: str = "check the mirror and this host's clock; docs/keys.md lists the keys"
    suite: str = "debian.suite in the config, and the mirror"
    until: str = "debian.check_valid_until: false to use the packages of that day"
    keys: tuple[str, ...] = ()


def read(path: Path) -> "tuple[list[Cert], list[str]]":
    """Return the usable certificates in the file, and a sentence about each of the others.

    The file is armored or binary and may have several certificates. Raises SignatureError if none is usable.
    """
    from pysequoia import Cert

    try:
        found = Cert.split_bytes(path.read_bytes())
    except OSError as error:
        raise SignatureError(f"cannot read the key {path}: {error.strerror}") from error
    except RuntimeError as error:
        raise SignatureError(
            f"{path} is not an OpenPGP key: {_reason(error)}", hint="save the archive's key again"
        ) from error
    if not found:
        raise SignatureError(f"{path} has no OpenPGP key", hint="save the archive's key again")
    usable = [each for each in found if not _fault(each)]
    faults = [f"key {each.fingerprint.upper()} {fault}" for each in found if (fault := _fault(each))]
    if not usable:
        hint = "save the archive's present key to that file"
        raise SignatureError(f"{path}: {'; '.join(faults)}", hint=hint)
    return usable, faults


def _fault(cert: "Cert") -> str:
    """Return why a certificate verifies nothing, as the rest of a sentence; "" if it may."""
    if cert.is_revoked:
        return "is revoked"
    try:
        until = cert.expiration
    except RuntimeError as error:  # the policy accepts none of its self-signatures
        return f"is too weak: {_reason(error)}"
    if until is not None and until < datetime.now(UTC):
        return f"expired on {until:%Y-%m-%d}"
    return ""


def _reason(error: RuntimeError) -> str:
    """Return the last cause in an error of pysequoia, which has several lines and a stack trace."""
    lines = str(error).partition("Stack backtrace:")[0].strip().splitlines()
    return lines[-1].strip().lstrip("0123456789: ") if lines else "unknown error"

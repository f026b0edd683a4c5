"""A writer of Java's keystores, for CA certificates.

The format is JKS, version 2: trusted certificates in DER, then a SHA-1 of the password and all bytes before.
Java reads a keystore of CA certificates without the password. Source: JavaKeyStore in OpenJDK.
"""

import hashlib
import struct
from collections.abc import Mapping

PASSWORD = "changeit"  # that of every Java; the certificates are public

_MAGIC, _VERSION, _CERTIFICATE = 0xFEEDFEED, 2, 2
_SALT = b"Mighty Aphrodite"


def build(certificates: Mapping[str, bytes]) -> bytes:
    """Return a keystore of certificates in DER by their aliases, in lower case."""
    parts = [struct.pack(">III", _MAGIC, _VERSION, len(certificates))]
    for alias in sorted(certificates):
        der = certificates[alias]
        date = 0  # of its import, in ms since 1970
        parts += [struct.pack(">I", _CERTIFICATE), _text(alias), struct.pack(">q", date), _text("X.509")]
        parts += [struct.pack(">I", len(der)), der]
    data = b"".join(parts)
    return data + hashlib.sha1(PASSWORD.encode("utf-16-be") + _SALT + data, usedforsecurity=False).digest()


def _text(text: str) -> bytes:
    data = text.encode("ascii", errors="replace")
    return struct.pack(">H", len(data)) + data

"""The CA certificates of Java as a keystore, as by ca-certificates-java. Java does not run.

The format is JKS, version 2: trusted certificates in DER, then a SHA-1 of the password and all bytes before.
Java reads a keystore of CA certificates without the password. Source: JavaKeyStore in OpenJDK.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Mapping

from notos.errors import NotosError
from notos.formats.tree import File, Tree
from notos.integration.model import Context

KEYSTORE = "etc/ssl/certs/java/cacerts"
PASSWORD = "changeit"  # that of every Java; the certificates are public

_FOLDER = "usr/share/ca-certificates/"
_JAVA = "usr/lib/jvm/"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_MAGIC, _VERSION, _CERTIFICATE = 0xFEEDFEED, 2, 2
_SALT = b"Mighty Aphrodite"


def apply(tree: Tree, context: Context) -> None:
    """Add the keystore if `tree` has a Java and CA certificates. Raises NotosError for an invalid one."""
    paths = [path for path, _ in tree.items()]
    if KEYSTORE in tree or not any(path.startswith(_JAVA) for path in paths):
        return
    certificates: dict[str, bytes] = {}
    for path in paths:
        entry = tree.get(path)
        if path.startswith(_FOLDER) and path.endswith(".crt") and isinstance(entry, File):
            name = path.rpartition("/")[2].removesuffix(".crt")
            for number, der in enumerate(_certificates(path, entry.read())):
                certificates[f"debian:{name}{f'_{number}' if number else ''}.pem".lower()] = der
    if certificates:
        tree.file(KEYSTORE, keystore(certificates))


def keystore(certificates: Mapping[str, bytes]) -> bytes:
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


def _certificates(path: str, pem: bytes) -> list[bytes]:
    try:
        return [base64.b64decode(b"".join(match[1].split()), validate=True) for match in _PEM.finditer(pem)]
    except binascii.Error as error:
        raise NotosError(
            f"{path} is not a certificate in PEM: {error}", hint="remove it from the package"
        ) from error

"""Certificates: those in a PEM file, and the hash by which OpenSSL finds one in a folder.

Source: RFC 7468 (PEM), RFC 5280 (certificates), X.690 (DER), X509_NAME_hash(3), and x_name.c in OpenSSL.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _SET, _UTF8, _VERSION = 0x30, 0x31, 0x0C, 0xA0
# The types of text that OpenSSL converts to UTF-8, with their encodings.
_TEXTS = {
    **{_UTF8: "utf-8", 0x13: "latin-1", 0x14: "latin-1", 0x16: "latin-1", 0x1A: "latin-1"},
    **{0x1C: "utf-32-be", 0x1E: "utf-16-be"},
}


def certificates(pem: bytes) -> list[bytes]:
    """Return the certificates of a PEM file in DER. Raises ValueError."""
    try:
        return [base64.b64decode(b"".join(match[1].split()), validate=True) for match in _PEM.finditer(pem)]
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def subject_hash(der: bytes) -> str:
    """Return the hash of the subject's name: 8 hex digits. Raises ValueError for an invalid certificate."""
    try:
        [(_, certificate)] = _values(der)
        _, tbs = next(_values(certificate))
        fields = [value for tag, value in _values(tbs) if tag != _VERSION]
        subject = fields[4]  # after the serial number, algorithm, issuer and validity
        canonical = b"".join(_canonical_set(each) for _, each in _values(subject))
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("truncated certificate") from error
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _canonical_set(attributes: bytes) -> bytes:
    """Return a relative distinguished name in the form that is hashed: text in lower case, as UTF-8."""
    found = []
    for _, attribute in _values(attributes):
        (kind, name), (tag, value) = _values(attribute)
        if tag in _TEXTS:
            text = re.sub(rb"[ \t\n\v\f\r]+", b" ", value.decode(_TEXTS[tag]).encode()).strip(b" ")
            tag, value = _UTF8, text.lower()  # bytes.lower() changes only ASCII
        found.append(_value(_SEQUENCE, _value(kind, name) + _value(tag, value)))
    return _value(_SET, b"".join(sorted(found)))


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tags and contents of the DER values in `data`. Raises IndexError, ValueError."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise ValueError("truncated certificate")
        yield tag, data[at : at + size]
        at += size


def _value(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content

"""The keystore of CA certificates, read by an independent reader of the format."""

import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from notos.formats import java_keystore, x509


def read(data: bytes) -> dict[str, bytes]:
    """Return the certificates by alias; check the digest."""
    body, digest = data[:-20], data[-20:]
    assert hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest() == digest
    magic, version, count = struct.unpack_from(">III", body)
    assert (magic, version) == (0xFEEDFEED, 2)
    at, found = 12, {}
    for _ in range(count):
        tag, size = struct.unpack_from(">IH", body, at)
        assert tag == 2
        alias = body[at + 6 : at + 6 + size].decode()
        at += 6 + size + 8
        assert body[at : at + 7] == b"\0\x05X.509"
        (size,) = struct.unpack_from(">I", body, at + 7)
        found[alias] = body[at + 11 : at + 11 + size]
        at += 11 + size
    assert at == len(body)
    return found


def test_every_certificate_is_in_the_keystore() -> None:
    certificates = {"debian:one.pem": b"one" * 99, "debian:two.pem": b"two"}
    assert read(java_keystore.build(certificates)) == certificates


def test_keytool_lists_the_certificates(tmp_path: Path) -> None:
    """The certificates are those of this host."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if shutil.which("keytool") is None or not bundle.exists():
        pytest.skip("this host has no keytool or no CA certificates")
    certificates = {f"ca-{number}": der for number, der in enumerate(x509.certificates(bundle.read_bytes()))}
    store = tmp_path / "cacerts"
    store.write_bytes(java_keystore.build(certificates))
    command = ["keytool", "-list", "-keystore", str(store), "-storepass", java_keystore.PASSWORD]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout
    assert listed.count("trustedCertEntry") == bundle.read_text().count("BEGIN CERTIFICATE") > 0

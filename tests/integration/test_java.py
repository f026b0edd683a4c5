"""The keystore of CA certificates, read by an independent reader of the format."""

import base64
import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.errors import NotosError
from notos.formats.tree import File, Tree
from notos.integration import java
from notos.integration.model import Context


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


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


def machine(*, has_java: bool = True) -> Tree:
    tree = Tree()
    tree.file("usr/share/ca-certificates/mozilla/One.crt", pem(b"one" * 99))
    tree.file("usr/share/ca-certificates/mozilla/Two.crt", pem(b"two"))
    if has_java:
        tree.symlink("usr/lib/jvm/java-21/lib/security/cacerts", "/etc/ssl/certs/java/cacerts")
    return tree


def test_every_certificate_is_in_the_keystore() -> None:
    tree = machine()
    java.apply(tree, Context(AMD64, {}))
    entry = tree.get(java.KEYSTORE)
    assert isinstance(entry, File)
    assert read(entry.read()) == {"debian:one.pem": b"one" * 99, "debian:two.pem": b"two"}


def test_a_machine_without_java_has_no_keystore() -> None:
    tree = machine(has_java=False)
    java.apply(tree, Context(AMD64, {}))
    assert java.KEYSTORE not in tree


def test_an_invalid_certificate_is_an_error() -> None:
    tree = machine()
    tree.file("usr/share/ca-certificates/bad.crt", pem(b"x").replace(b"eA==", b"e!=="))
    with pytest.raises(NotosError, match=r"bad\.crt is not a certificate"):
        java.apply(tree, Context(AMD64, {}))


def test_keytool_lists_the_certificates(tmp_path: Path) -> None:
    """The certificates are those of this host."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if shutil.which("keytool") is None or not bundle.exists():
        pytest.skip("this host has no keytool or no CA certificates")
    tree = machine()
    tree.remove("usr/share/ca-certificates")
    tree.file("usr/share/ca-certificates/all.crt", bundle.read_bytes())
    java.apply(tree, Context(AMD64, {}))
    entry = tree.get(java.KEYSTORE)
    assert isinstance(entry, File)
    store = tmp_path / "cacerts"
    store.write_bytes(entry.read())
    command = ["keytool", "-list", "-keystore", str(store), "-storepass", java.PASSWORD]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout
    assert listed.count("trustedCertEntry") == bundle.read_text().count("BEGIN CERTIFICATE") > 0

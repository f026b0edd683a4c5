"""The files of CA certificates, compared with openssl(1); the real bundle is looked at in test_image.py."""

import shutil
import subprocess
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.formats import x509
from notos.formats.tree import File, Symlink, Tree
from notos.system import certificates
from tests.formats.test_java_keystore import read

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="this host has no openssl")
SUBJECTS = (
    "/C=DE/O=Notos  \t GmbH /CN=Root CA",
    "/CN=Zürich Straße ÄÖ",
    "/DC=org/DC=Example/emailAddress=A@B.example/CN=x",
    "/O=One/CN=two+UID=A/CN=" + "long " * 12,
)


def made(folder: Path, subject: str, *options: str) -> str:
    """Return a new certificate as PEM."""
    assert OPENSSL is not None
    command = [
        *(
            OPENSSL,
            "req",
            "-x509",
            "-utf8",
            "-multivalue-rdn",
            "-newkey",
            "ed25519",
            "-nodes",
            "-subj",
            subject,
        ),
        *("-keyout", str(folder / "key"), *options),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def machine(texts: dict[str, str], *, links: bool = True, java: bool = False) -> Tree:
    """Return a tree of /usr with these certificates."""
    tree = Tree()
    for path, text in texts.items():
        tree.text(path, text)
    if links:
        tree.symlink("lib/ssl/certs", "/etc/ssl/certs")
    if java:
        tree.text("lib/jvm/java-21/release", "")
    return tree


@needs_openssl
@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("options", [(), ("-days", "9")])
def test_the_hash_of_a_subject_is_that_of_openssl(
    tmp_path: Path, subject: str, options: tuple[str, ...]
) -> None:
    pem = made(tmp_path, subject, *options)
    command = [OPENSSL or "", "x509", "-noout", "-subject_hash"]
    expected = subprocess.run(command, check=True, capture_output=True, text=True, input=pem).stdout.strip()
    [der] = x509.certificates(pem.encode())
    assert x509.subject_hash(der) == expected


@needs_openssl
def test_hashes_of_this_hosts_certificates_are_those_of_openssl(tmp_path: Path) -> None:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if not bundle.exists():
        pytest.skip("this host has no CA certificates")
    parts = bundle.read_text().split("-----END CERTIFICATE-----\n")[:-1]
    texts = {
        f"share/ca-certificates/mozilla/{number}.crt": f"{part}-----END CERTIFICATE-----\n"
        for number, part in enumerate(parts)
    }
    entries = dict(certificates.files(machine(texts), ""))
    for path, text in texts.items():
        (tmp_path / f"{path.rpartition('/')[2].removesuffix('.crt')}.pem").write_text(text)
    subprocess.run([OPENSSL or "", "rehash", str(tmp_path)], check=True, capture_output=True)
    assert {path.rpartition("/")[2] for path, entry in entries.items() if ".pem" not in path} - {
        "ca-certificates.crt"
    } == {each.name for each in tmp_path.iterdir() if each.is_symlink()}


@needs_openssl
def test_openssl_verifies_by_the_folder(tmp_path: Path) -> None:
    """Two certificates have the same subject."""
    texts = {
        "share/ca-certificates/mozilla/A, (1).crt": made(tmp_path, "/CN=same"),
        "local/share/ca-certificates/own.crt": made(tmp_path, "/CN=same"),
    }
    folder = tmp_path / "certs"
    folder.mkdir()
    for path, entry in certificates.files(machine(texts), ""):
        place = folder / path.rpartition("/")[2]
        if isinstance(entry, File):
            place.write_bytes(entry.read())
        elif isinstance(entry, Symlink) and entry.target.startswith("/usr/"):
            place.write_text(texts[entry.target.removeprefix("/usr/")])
        elif isinstance(entry, Symlink):
            place.symlink_to(entry.target)
    assert {
        each.name for each in folder.iterdir() if not each.name[0].isdigit() and "." in each.name[-4:]
    } >= {
        "A__=1=.pem",
        "ca-certificates.crt",
        "own.pem",
    }
    for text in texts.values():
        (tmp_path / "one").write_text(text)
        command = [
            OPENSSL or "",
            "verify",
            "-no-CAfile",
            "-no-CAstore",
            "-CApath",
            str(folder),
            str(tmp_path / "one"),
        ]
        subprocess.run(command, check=True, capture_output=True)


@needs_openssl
def test_which_certificates_count(tmp_path: Path) -> None:
    """Those of packages, sorted, without those that the list leaves out; then those of the config."""
    one, two, three = (made(tmp_path, f"/CN={name}") for name in ("one", "two", "three"))
    texts = {
        "share/ca-certificates/mozilla/B.crt": one.rstrip("\n"),
        "share/ca-certificates/mozilla/A.crt": two,
        "share/ca-certificates/README": "no",
        "local/share/ca-certificates/own/x.crt": three,
        "local/share/ca-certificates/x.pem": "no",
    }
    entries = dict(certificates.files(machine(texts, links=False, java=True), "# a\n"))
    assert set(entries) == {"ssl/certs/ca-certificates.crt", "ssl/certs/java/cacerts"}
    bundle, store = entries.values()
    assert isinstance(bundle, File)
    assert isinstance(store, File)
    assert bundle.read().decode() == two + one + three
    assert set(read(store.read())) == {"debian:a.pem", "debian:b.pem", "debian:x.pem"}
    left = dict(certificates.files(machine(texts, links=False), "mozilla/A.crt\n!mozilla/B.crt\n"))
    [bundle] = left.values()
    assert isinstance(bundle, File)
    assert bundle.read().decode() == two + three


def test_a_machine_without_certificates_has_no_such_file() -> None:
    assert list(certificates.files(machine({}, java=True), "")) == []


def test_all_invalid_certificates_are_reported() -> None:
    bad = "-----BEGIN CERTIFICATE-----\ne!==\n-----END CERTIFICATE-----\n"
    texts = {
        "share/ca-certificates/bad.crt": bad,
        "local/share/ca-certificates/der.crt": "0\x82",
        "local/share/ca-certificates/short.crt": bad.replace("e!==", "MIIBzg=="),
    }
    with pytest.raises(NotosError) as raised:
        keys = {"/usr/local/share/ca-certificates/der.crt": ("files", "x")}
        list(certificates.files(machine(texts), "", keys))
    assert [each.keys for each in raised.value.parts] == [(), ("files", "x"), ()]
    messages = [each.message for each in raised.value.parts]
    assert len(messages) == 3
    assert messages[1].startswith("/usr/local/share/ca-certificates/der.crt is not a certificate in PEM")
    assert messages[2].endswith("truncated certificate")

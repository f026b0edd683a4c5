"""A web server with TLS, whose certificate is from a CA that this test makes."""

import ssl
import subprocess
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.conftest import Tool
from tests.gallery.machines import Gallery
from tests.gallery.outside import patiently


def certificates(folder: Path, openssl: list[str]) -> None:
    """Make a CA (ca.crt), and a certificate of it for localhost (tls.crt, tls.key)."""

    def run(*words: str) -> None:
        subprocess.run([*openssl, *words], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes", "-config", "/dev/null")
    run(
        *new,
        "-x509",
        "-subj",
        "/CN=test CA",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
    )
    run(*new, "-subj", "/CN=localhost", "-keyout", "tls.key", "-out", "tls.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    run(
        "x509",
        "-req",
        "-in",
        "tls.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        "tls.crt",
    )


def test_a_page_over_tls(gallery: Gallery, tool: Tool, tmp_path: Path) -> None:
    certificates(tmp_path, tool("openssl"))
    secret = {f"credentials/{name}": (tmp_path / name).read_bytes() for name in ("tls.key", "tls.crt")}
    machine = gallery("tls", instance=secret)
    address = f"https://localhost:{machine.wait_for_port(443, seconds=60)}/"
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    with patiently(lambda: urllib.request.urlopen(address, context=context, timeout=60)) as answer:
        assert answer.read() == b"hello over TLS\n"
    gallery.works(machine)
    # Without the CA, and by another name, the certificate is not valid.
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(address, timeout=60)
    with pytest.raises(URLError, match="IP address mismatch"):
        urllib.request.urlopen(address.replace("localhost", "127.0.0.1"), context=context, timeout=60)
    assert machine.succeed("stat -c '%U %a' /run/credentials/tls.key") == "root 400\n"

"""The link to the CA certificates."""

import pytest

from notos.architecture import AMD64
from notos.formats.tree import Symlink, Tree
from notos.integration import openssl
from notos.integration.model import Context

LIBRARY = "usr/lib/x86_64-linux-gnu/libssl.so.3"
CERTIFICATE = "usr/share/ca-certificates/mozilla/A.crt"


@pytest.mark.parametrize(
    "paths, made", [((LIBRARY, CERTIFICATE), True), ((LIBRARY,), False), ((CERTIFICATE,), False)]
)
def test_a_machine_with_the_library_and_certificates_has_it(paths: tuple[str, ...], made: bool) -> None:
    tree = Tree()
    for path in paths:
        tree.text(path, "")
    openssl.apply(tree, Context(AMD64, {}))
    expected = Symlink("/etc/ssl/certs/ca-certificates.crt") if made else None
    assert tree.get("usr/lib/ssl/cert.pem") == expected
    openssl.apply(tree, Context(AMD64, {}))  # the package openssl has the link

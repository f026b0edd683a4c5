"""The link by which OpenSSL finds the CA certificates.

Debian has it in the package openssl, on which ca-certificates depends. A machine may have the library and
the certificates without that package.
"""

from notos.formats.tree import Tree
from notos.integration.model import Context

LINK = "usr/lib/ssl/cert.pem"  # in OPENSSLDIR (openssl version -d)
_CERTIFICATES = "usr/share/ca-certificates"


def apply(tree: Tree, context: Context) -> None:
    """Add the link to /etc/ssl/certs/ca-certificates.crt."""
    library = f"{context.target.libraries}/libssl.so."
    if LINK in tree or _CERTIFICATES not in tree:
        return
    if any(path.startswith(library) for path, _ in tree.items()):
        tree.symlink(LINK, "/etc/ssl/certs/ca-certificates.crt")

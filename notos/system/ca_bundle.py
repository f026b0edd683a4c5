"""The bundle of CA certificates, joined as by update-ca-certificates; the certificates are not verified."""

from notos.formats.tree import File, Tree

FOLDER = "share/ca-certificates/"


def bundle(system: Tree) -> str:
    """Return the text of /etc/ssl/certs/ca-certificates.crt: all certificates of system-path, sorted by path.

    Empty if the system does not contain the package ca-certificates.
    """
    certificates = [
        entry.read().decode().strip() + "\n"
        for path, entry in system.items()
        if path.startswith(FOLDER) and path.endswith(".crt") and isinstance(entry, File)
    ]
    return "".join(certificates)

"""The bundle of certificate authorities, joined as update-ca-certificates would; nothing is checked."""

from notos.formats.tree import File, Tree

FOLDER = "share/ca-certificates/"


def bundle(system: Tree) -> str:
    """The text of /etc/ssl/certs/ca-certificates.crt: all certificates of system-path, by path.

    Empty where the ca-certificates package is not part of the system.
    """
    certificates = [
        entry.read().decode().strip() + "\n"
        for path, entry in system.items()
        if path.startswith(FOLDER) and path.endswith(".crt") and isinstance(entry, File)
    ]
    return "".join(certificates)

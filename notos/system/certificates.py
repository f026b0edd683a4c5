"""The CA certificates in /etc/ssl/certs, as by update-ca-certificates(8). They are not verified.

    ca-certificates.crt   all certificates in one file
    NAME.pem, HASH.0      links to each, for OpenSSL's folder of certificates (openssl-rehash(1))
    java/cacerts          Java's keystore

The certificates are those of the package ca-certificates, except those that a line !NAME of
/etc/ca-certificates.conf leaves out, and those of the config in /usr/local/share/ca-certificates.
"""

from collections.abc import Iterator, Mapping

from notos import errors
from notos.errors import NotosError
from notos.formats import java_keystore, x509
from notos.formats.tree import Entry, File, Symlink, Tree

CONF = "ca-certificates.conf"

_FOLDERS = ("share/ca-certificates/", "local/share/ca-certificates/")  # below /usr
_ENDING = ".crt"
_CERTS = "ssl/certs"
_OPENSSL = "lib/ssl/certs"  # the link by which OpenSSL finds the folder
_JAVA = "lib/jvm/"
_REPLACED = str.maketrans({" ": "_", "(": "=", ")": "=", ",": "_"})


def files(system: Tree, conf: str, keys: Mapping[str, tuple[str, ...]] = {}) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of /etc by path, for the tree of /usr and the text of CONF.

    `keys` are those of the config's files by absolute path. Yield none without certificates. Raises
    NotosError with all files that are not certificates.
    """
    left_out = {line[1:].strip() for line in conf.splitlines() if line.startswith("!")}
    paths = [path for path, _ in system.items()]
    found: dict[str, list[bytes]] = {}
    texts = []
    wrong = []
    for folder in _FOLDERS:
        for path in paths:
            entry = system.get(path)
            if not path.startswith(folder) or not path.endswith(_ENDING) or not isinstance(entry, File):
                continue
            if path.removeprefix(folder) in left_out:
                continue
            try:
                found[path] = _certificates(entry.read())
            except ValueError as error:
                hint = "convert it: openssl x509 -inform der -in FILE -out FILE.crt"
                message = f"/usr/{path} is not a certificate in PEM: {error}"
                wrong.append(NotosError(message, hint=hint, keys=keys.get(f"/usr/{path}", ())))
            texts.append(entry.read().decode("utf-8", "surrogateescape").strip() + "\n")
    errors.raise_all(wrong)
    if not found:
        return
    yield f"{_CERTS}/ca-certificates.crt", File("".join(texts).encode("utf-8", "surrogateescape"))
    if _OPENSSL in system:
        yield from _links(found)
    if any(path.startswith(_JAVA) for path in paths):
        aliases = {
            f"debian:{_name(path)}{f'_{number}' if number else ''}.pem".lower(): der
            for path, ders in found.items()
            for number, der in enumerate(ders)
        }
        yield f"{_CERTS}/java/cacerts", File(java_keystore.build(aliases))


def _certificates(pem: bytes) -> list[bytes]:
    """Return the certificates in DER. Raises ValueError."""
    found = x509.certificates(pem)
    if not found:
        raise ValueError("it has no line BEGIN CERTIFICATE")
    for each in found:
        x509.subject_hash(each)
    return found


def _name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(_ENDING).translate(_REPLACED)


def _links(found: dict[str, list[bytes]]) -> Iterator[tuple[str, Entry]]:
    """Yield links for files with one certificate. Those with the same subject have a number each."""
    numbers: dict[str, int] = {}
    names: set[str] = set()
    for path, ders in found.items():
        name = f"{_name(path)}.pem"
        if len(ders) != 1 or name in names:
            continue
        names.add(name)
        yield f"{_CERTS}/{name}", Symlink(f"/usr/{path}")
        digest = x509.subject_hash(ders[0])
        yield f"{_CERTS}/{digest}.{numbers.get(digest, 0)}", Symlink(name)
        numbers[digest] = numbers.get(digest, 0) + 1

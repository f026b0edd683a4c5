"""Names of files as text: UTF-8, with other bytes as surrogates (PEP 383), whatever the locale.

os.fsdecode uses the locale's encoding, in which equal names of an archive would be other names of the tree,
or, as in EUC, not even lead back to the same bytes.
"""


def decode(name: bytes) -> str:
    """Return the text of the bytes `name`."""
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    """Return the bytes of the text `name`, by which Nix and the kernel sort names."""
    return name.encode("utf-8", "surrogateescape")

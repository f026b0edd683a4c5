"""Readers of paragraphs of fields, deb822(5): python-debian, and a faster one for the Packages index."""

from collections.abc import Iterator, Mapping

from notos.errors import PackageError

KNOWN = (
    *("Package", "Version", "Architecture", "Filename", "Size", "SHA256"),
    *("Pre-Depends", "Depends", "Recommends", "Provides", "Conflicts", "Breaks", "Replaces"),
)
_WRITTEN = {each.lower(): each for each in KNOWN}


def paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """Yield the fields of each paragraph.

    Field names are case-insensitive. Comments are skipped. The value of a folded field keeps its newlines.
    """
    from debian.deb822 import Deb822

    yield from Deb822.iter_paragraphs(text, use_apt_pkg=False)


def stanza(text: str) -> dict[str, str]:
    """Return the fields of one stanza of a Packages file, each as a single line.

    Names of KNOWN fields are written as there. A Packages file has 69,000 stanzas; this is faster than
    python-debian. Raises PackageError if a KNOWN field occurs twice, as dpkg does: readers disagree about
    which of the two counts.
    """
    fields: dict[str, list[str]] = {}
    value: list[str] = []  # of a line without a field: ignored
    for line in text.split("\n"):
        if line[:1] in (" ", "\t"):
            value.append(line)
        elif line[:1] != "#":  # a comment may stand between the lines of a field
            name, colon, first = line.partition(":")
            if colon:
                name = name.rstrip()
                written = _WRITTEN.get(name.lower(), name)
                if written in fields and written in KNOWN:
                    raise PackageError(f"the field {written} occurs twice")
                fields[written] = value = [first]
    return {name: " ".join(filter(None, map(str.strip, lines))) for name, lines in fields.items()}

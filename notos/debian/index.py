"""Packages files: the index of one component of a suite.

Parsing all 69,000 stanzas of Debian takes 7 s. Finding their offsets takes 0.1 s, and few stanzas are needed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from notos.debian.deb822 import stanza

_NAME = re.compile(rb"\nPackage: ([^\n]+)")
_PROVIDES = re.compile(rb"\nProvides: ([^\n]+)")
_NEEDS = re.compile(rb"\n(?:Pre-Depends|Depends|Recommends): ([^\n]+)")
_NEEDED = re.compile(rb"(?:^|[,|]) *([a-z0-9][a-z0-9+.-]+)")


class Index:
    """The text of a Packages file, from pieces of any size."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._data = data = bytearray(b"\n")  # every stanza then begins after a newline, also the first
        for piece in pieces:
            data += piece
        self._starts: dict[bytes, list[int]] = {}
        for match in _NAME.finditer(data):
            self._starts.setdefault(match[1], []).append(match.start())
        self._provides: list[tuple[bytes, int]] | None = None

    def names(self) -> Iterator[str]:
        """Return the names of all packages."""
        return map(bytes.decode, self._starts)

    def stanzas(self, name: str) -> Iterator[Mapping[str, str]]:
        """Yield the stanzas of the package `name`, one for each version."""
        for start in self._starts.get(name.encode(), ()):
            yield self._parse(start)

    def providers(self, virtual: str) -> Iterator[str]:
        """Yield the packages that may provide `virtual`: their Provides contains the text."""
        if self._provides is None:
            self._provides = [(match[1], match.start()) for match in _PROVIDES.finditer(self._data)]
        wanted = virtual.encode()
        for text, at in self._provides:
            if wanted in text:
                start = self._data.rfind(b"\n\n", 0, at)
                yield self._parse(start + 1)["Package"]

    def needed(self) -> Counter[str]:
        """Return how many times other packages depend on or recommend each package; takes 0.7 s."""
        found = Counter(
            name for match in _NEEDS.finditer(self._data) for name in set(_NEEDED.findall(match[1]))
        )
        return Counter({name.decode(): count for name, count in found.items()})

    def _parse(self, start: int) -> dict[str, str]:
        """Return the fields of the stanza at `start` or one byte later; folded lines are joined."""
        end = self._data.find(b"\n\n", start + 1)
        return stanza(self._data[start : end if end >= 0 else len(self._data)].decode(errors="replace"))

"""One version of a Debian package, as the archive's index and the lock name it."""

import re
from dataclasses import dataclass

from notos.debian.download import Download
from notos.debian.mirror import Mirrors
from notos.errors import LockError

_SHAPES = {
    "name": re.compile(r"[a-z0-9][a-z0-9+.-]+"),  # Debian policy 5.6.1
    "version": re.compile(r"[0-9][A-Za-z0-9.+:~-]*"),  # 5.6.12
    "architecture": re.compile(r"[a-z0-9-]+"),
    "origin": re.compile(r"main|security"),
    "filename": re.compile(r"(?:(?!\.\.?/)[A-Za-z0-9.+:~_%-]+/)*[A-Za-z0-9.+:~_%-]+\.deb"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}


@dataclass(frozen=True)
class LockedPackage:
    """One version of a package: all that is ever asked about it without reading the .deb.

    `origin` is the mirror that has it ("main" or "security"), `filename` its path below that, `size` in
    bytes; `depends` is the text of Pre-Depends and Depends, `provides` that of Provides. Raises
    LockError when a field cannot be right.
    """

    name: str
    version: str
    architecture: str
    origin: str
    filename: str
    size: int
    sha256: str
    depends: str = ""
    provides: str = ""

    def __post_init__(self) -> None:
        for field, shape in _SHAPES.items():
            value = getattr(self, field)
            if not isinstance(value, str) or not shape.fullmatch(value):
                raise LockError(f"package {self.name}: its {field} cannot be {value!r}")
        if not isinstance(self.size, int) or self.size < 0:
            raise LockError(f"package {self.name}: its size cannot be {self.size!r}")

    def download(self, mirrors: Mirrors) -> Download:
        """Return how to fetch it."""
        places = [
            f"{each.security if self.origin == 'security' else each.main}/{self.filename}"
            for each in (mirrors, *mirrors.others)
        ]
        name = f"{self.name} {self.version}"
        return Download(name, places[0], self.size, self.sha256, others=tuple(places[1:]))

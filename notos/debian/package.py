"""One version of a Debian package, as recorded in the index of an archive and in config.lock."""

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
    """One version of a package, with all its metadata that a build uses.

    `origin` is the archive that has it ("main" or "security"), `filename` its path in that, `size` is in
    bytes. `depends` is the text of Pre-Depends and Depends, `provides` that of Provides, `conflicts` that of
    Conflicts and Breaks. Raises LockError for an invalid field.
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
    conflicts: str = ""

    def __post_init__(self) -> None:
        for field, shape in _SHAPES.items():
            value = getattr(self, field)
            if not isinstance(value, str) or not shape.fullmatch(value):
                raise LockError(f"package {self.name}: invalid {field}: {value!r}")
        if not isinstance(self.size, int) or self.size < 0:
            raise LockError(f"package {self.name}: invalid size: {self.size!r}")

    def download(self, mirrors: Mirrors) -> Download:
        """Return the download of the .deb."""
        places = [
            f"{each.security if self.origin == 'security' else each.main}/{self.filename}"
            for each in (mirrors, *mirrors.others)
        ]
        name = f"{self.name} {self.version}"
        return Download(name, places[0], self.size, self.sha256, others=tuple(places[1:]))

"""The cache that all checkouts share: where things are in it, and not how they get there.

    ~/.cache/notos/
    ├── sha256/ab/abcdef…        downloads, each verified before it got this name
    │             abcdef….part   one that is under way, or will be resumed
    ├── facts/ab/abcdef….json    what a .deb's programs need, by the .deb's sha256
    ├── tools/KEY/               tools trees
    ├── source/KEY/              sources of kernels, patched
    └── ccache/                  what compilers made

Everything here can be had again, so a user may remove it at any time when no build runs.
"""

from dataclasses import dataclass
from pathlib import Path

from notos.host import folders


@dataclass(frozen=True)
class Cache:
    """The cache below the folder `root`, which need not exist yet."""

    root: Path

    @classmethod
    def default(cls) -> "Cache":
        """The user's cache (folders.cache). Raises HostError when the user has no home folder."""
        return cls(folders.cache())

    def download(self, sha256: str) -> Path:
        """Where the bytes with this hash (64 hex digits) are, or will be."""
        return self.root / "sha256" / sha256[:2] / sha256

    def facts(self, sha256: str) -> Path:
        """Where it says what the programs in the .deb with this hash need."""
        return self.root / "facts" / sha256[:2] / f"{sha256}.json"

    def tools(self, key: str) -> Path:
        """The folder of the tools tree `key`."""
        return self.root / "tools" / key

    def source(self, key: str) -> Path:
        """The folder of the source `key`."""
        return self.root / "source" / key

    @property
    def ccache(self) -> Path:
        """The folder that is ccache's own."""
        return self.root / "ccache"

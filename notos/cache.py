"""The layout of the cache that all checkouts share. This module only computes paths.

    ~/.cache/notos/
    ├── sha256/ab/abcdef…        downloads, verified before they get this name; also sha512/, sha1/
    │             abcdef….part   an unfinished download, which will be resumed
    ├── facts/ab/abcdef….json    the libraries that a .deb needs and has, by the .deb's sha256
    ├── bytecode/ab/abcdef…      byte code of a Python file (system/bytecode.py)
    ├── databases/ab/abcdef…     files that programs of packages make (system/databases.py)
    ├── compiled/ab/abcdef…      run-unit (system/run_unit.py)
    ├── releases/ab/abcdef…      dates of the indexes that this host has seen (debian/seen_releases.py)
    ├── debs/ab/abcdef…          names of the user's .debs, by the state of the file (debian/known_debs.py)
    ├── tools/KEY/               tools trees
    ├── vendored/KEY/            modules of a program that its package manager has fetched
    ├── programs/KEY/            built programs (programs/build.py)
    ├── source/KEY/              patched kernel sources
    └── ccache/                  compiler results

Everything here can be downloaded or built again. A user may remove it whenever no build is running.
"""

from pathlib import Path

from notos.host import folders
from notos.structs import dataclass


@dataclass(frozen=True)
class Cache:
    """The cache in the folder `root`, which need not exist yet."""

    root: Path

    @classmethod
    def default(cls) -> "Cache":
        """Return the user's cache (folders.cache). Raises HostError when the user has no home folder."""
        return cls(folders.cache())

    def download(self, digest: str, algorithm: str = "sha256") -> Path:
        """Return the path of the download with this hash (hex digits), whether it exists or not."""
        return self.root.joinpath(algorithm, digest[:2], digest)

    def facts(self, sha256: str) -> Path:
        """Return the path of the ELF facts of the .deb with this hash (64 hex digits)."""
        return self.root / "facts" / sha256[:2] / f"{sha256}.json"

    def bytecode(self, key: str) -> Path:
        """Return the path of the byte code `key` (64 hex digits)."""
        return self.root / "bytecode" / key[:2] / key

    def database(self, key: str) -> Path:
        """Return the path of the database `key` (64 hex digits)."""
        return self.root / "databases" / key[:2] / key

    def compiled(self, key: str) -> Path:
        """Return the path of the compiled program `key` (64 hex digits)."""
        return self.root / "compiled" / key[:2] / key

    def release(self, key: str) -> Path:
        """Return the path of the date of the index `key` (64 hex digits)."""
        return self.root / "releases" / key[:2] / key

    def deb(self, key: str) -> Path:
        """Return the path of the name of the user's .deb `key` (64 hex digits)."""
        return self.root / "debs" / key[:2] / key

    def tools(self, key: str) -> Path:
        """Return the path of the tools tree `key`."""
        return self.root / "tools" / key

    def vendored(self, key: str) -> Path:
        """Return the path of the modules `key`, which a package manager has fetched for a program."""
        return self.root / "vendored" / key

    def program(self, key: str) -> Path:
        """Return the path of the built program `key`."""
        return self.root / "programs" / key

    def source(self, key: str) -> Path:
        """Return the path of the kernel source `key`."""
        return self.root / "source" / key

    @property
    def ccache(self) -> Path:
        """Return the path of ccache's folder."""
        return self.root / "ccache"

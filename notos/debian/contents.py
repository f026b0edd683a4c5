"""Contents files of an archive: the packages that have a file, by its name. This module fetches nothing.

Source: the page DebianRepository/Format of Debian's wiki, "Contents indices".
"""

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from notos.errors import FetchError

_LONGEST = 1 << 16  # bytes of a line; the longest of Debian has 12,000


def packages_with(file_name: str, compressed: BinaryIO) -> Iterator[str]:
    """Yield the packages that have a file called `file_name`; closes the stream of gzip data.

    Raises FetchError if it is damaged.
    """
    wanted = f"/{file_name}".encode()
    try:
        with compressed, gzip.open(compressed) as stream:
            while line := stream.readline(_LONGEST):
                if wanted in line:
                    # A path may have blanks, the list of packages has none.
                    place, _, packages = line.decode(errors="replace").strip().rpartition(" ")
                    if place.rstrip().endswith(f"/{file_name}"):
                        yield from (each.rpartition("/")[2] for each in packages.split(","))
    except (OSError, EOFError, zlib.error) as error:
        raise FetchError(f"the Contents file of the mirror is damaged: {error}") from error

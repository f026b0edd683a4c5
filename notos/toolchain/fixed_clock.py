"""The clock of programs in a sandbox: it starts at EPOCH, by libfaketime.

A program that links the C library dynamically sees it.
"""

import time

# 1980-01-01, the first date that zip files can have; also the time of all files.
EPOCH = 315532800
# The end of the path of the library in Debian's package libfaketime.
LIBRARY = "faketime/libfaketime.so.1"


def environment(library: str) -> dict[str, str]:
    """Return the environment variables for the clock; `library` is the path of LIBRARY in the sandbox.

    Each process starts at this time. The monotonic clock and the times of files are real.
    """
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(EPOCH))
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"@{date}",
        "NO_FAKE_STAT": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

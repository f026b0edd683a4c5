"""What all tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

TOOLS = Path("/tmp/n/tools")


@pytest.fixture(scope="session")
def tool() -> Callable[[str], list[str]]:
    """The command prefix that runs a peer: `tool("cpio")`. (Temporary: from a hand-made tree.)"""

    def prefix(program: str) -> list[str]:
        for folder in ("usr/bin", "usr/sbin"):
            path = TOOLS / folder / program
            if path.exists():
                return [
                    str(TOOLS / "usr/lib64/ld-linux-x86-64.so.2"),
                    "--argv0",
                    program,
                    "--library-path",
                    str(TOOLS / "usr/lib/x86_64-linux-gnu"),
                    str(path),
                ]
        raise LookupError(program)

    return prefix

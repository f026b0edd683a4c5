"""Programs of the reader's host: git and OpenSSH's clients, from a tools tree."""

from collections.abc import Callable

import pytest

from notos import architecture, loader
from notos.cache import Cache
from notos.debian.archive import Archive
from notos.toolchain import peers
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def program() -> Callable[[str], list[str]]:
    """Return the function `program("git")`, which returns the command of a program of the reader's host."""
    debian = loader.load(ROOT / "config.yaml").machine.debian
    archive = Archive(debian, Cache.default(), architecture.host())
    return peers.tree(("git", "openssh-client"), archive, ROOT / "build/tests/docs.lock").command

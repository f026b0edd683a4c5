"""The programs of the reader's host: git and OpenSSH's clients, from a tools tree."""

from collections.abc import Callable

import pytest

from notos import config, peers
from notos.archive import Archive
from notos.cache import Cache
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def program() -> Callable[[str], list[str]]:
    """The words that run a program of the reader's host: `program("git")`."""
    debian = config.load(ROOT / "config.yaml").machine.debian
    archive = Archive(debian, Cache.default())
    return peers.tree(("git", "openssh-client"), archive, ROOT / "build/tests/docs.lock").command

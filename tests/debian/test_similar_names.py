"""Packages that were meant, by the names of Debian's own archive."""

from pathlib import Path

import pytest

from notos import loader
from notos.cache import Cache
from notos.debian import similar_names
from notos.debian.archive import Archive
from notos.errors import LockError
from notos.lock.candidates import Candidates

ROOT = Path(__file__).resolve().parents[2]

# What is typed, and what has to be suggested first; what must not be suggested at all.
TYPED = [
    ("docker", ["docker.io"], ["kdocker"]),
    ("openssh", ["openssh-client", "openssh-server"], ["openssn"]),
    ("python", ["python3"], []),
    ("node", ["nodejs"], []),
    ("java", ["default-jre-headless"], ["javascript-common"]),
    ("postgres", ["postgresql"], []),
    ("mysql", ["default-mysql-server"], []),
    ("vim-nox2", ["vim-nox"], []),
    ("ntpd", ["ntpsec"], []),
    ("iptable", ["iptables"], []),
    ("sshd", ["openssh-server"], []),
    ("ifconfig", ["net-tools"], []),
    ("ip", ["iproute2"], []),
    ("nginx-server", ["nginx"], []),
    ("chromium-browser", ["chromium"], []),
    ("nodjs", ["nodejs"], []),
    ("python3-yml", ["python3-yaml"], []),
    ("rabbitmq", ["rabbitmq-server"], []),
    ("bahs", ["bash"], []),
    ("crul", ["curl"], []),
    ("vmi", ["vim"], []),
    ("tmxu", ["tmux"], []),
    ("hotp", ["htop"], []),
    ("ngnix", ["nginx"], []),
    ("opnessh-server", ["openssh-server"], []),
    ("bazh", ["bash"], []),
    ("hyop", ["htop"], []),
]


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive(loader.load(ROOT / "config.yaml").machine.debian, Cache.default())


@pytest.fixture(scope="module")
def pool(archive: Archive) -> Candidates:
    return Candidates(None, archive)


def hint(pool: Candidates, name: str) -> str:
    with pytest.raises(LockError) as caught:
        pool.asked({"system": [name]})
    return caught.value.hint


@pytest.mark.parametrize(("name", "first", "never"), TYPED, ids=[name for name, *_ in TYPED])
def test_what_is_typed_leads_to_what_is_meant(
    pool: Candidates, name: str, first: list[str], never: list[str]
) -> None:
    said = hint(pool, name)
    assert said.startswith("did you mean ")
    names = said.removeprefix("did you mean ").removesuffix("?").replace(" or ", ", ").split(", ")
    assert names[: len(first)] == first
    assert 1 <= len(names) <= 3
    assert not set(never) & set(names)


def test_a_virtual_package_names_its_likely_providers(pool: Candidates) -> None:
    assert hint(pool, "httpd") == "httpd is virtual, name one that provides it: apache2, nginx, lighttpd"
    assert "iputils-ping" in hint(pool, "ping")


def test_a_package_of_another_component_is_found_there(pool: Candidates) -> None:
    said = hint(pool, "firmware-misc-nonfree")
    assert said == "it is in non-free-firmware: write debian: {components: [main, non-free-firmware]}"


def test_every_package_that_is_named_for_a_program_exists(archive: Archive) -> None:
    """In this release or the next: the list serves all, and names what exists only."""
    names = archive.names()
    packages = {each for packages in similar_names.PROGRAMS.values() for each in packages}
    assert packages <= names

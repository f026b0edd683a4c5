"""Packages that were meant, by the names of Debian's own archive."""

from pathlib import Path

import pytest

from notos import architecture, loader
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
    return Archive(loader.load(ROOT / "config.yaml").machine.debian, Cache.default(), architecture.host())


@pytest.fixture(scope="module")
def candidates(archive: Archive) -> Candidates:
    return Candidates({}, archive)


def hint(candidates: Candidates, name: str) -> str:
    with pytest.raises(LockError) as caught:
        candidates.requested({"system": [name]})
    return caught.value.hint


@pytest.mark.parametrize(("name", "first", "never"), TYPED, ids=[name for name, *_ in TYPED])
def test_what_is_typed_leads_to_what_is_meant(
    candidates: Candidates, name: str, first: list[str], never: list[str]
) -> None:
    text = hint(candidates, name)
    assert text.startswith("did you mean ")
    names = text.removeprefix("did you mean ").removesuffix("?").replace(" or ", ", ").split(", ")
    assert names[: len(first)] == first
    assert 1 <= len(names) <= 3
    assert not set(never) & set(names)


def test_a_virtual_package_names_its_likely_providers(candidates: Candidates) -> None:
    assert (
        hint(candidates, "httpd")
        == "httpd is a virtual package; name a package that provides it: apache2, nginx, lighttpd"
    )
    assert "iputils-ping" in hint(candidates, "ping")


def test_a_package_of_another_component_is_found_there(candidates: Candidates) -> None:
    text = hint(candidates, "firmware-misc-nonfree")
    assert text == "it is in non-free-firmware; set debian: {components: [main, non-free-firmware]}"


def test_every_package_that_is_named_for_a_program_exists(archive: Archive) -> None:
    """Each package exists in this release or the next: one list serves both."""
    names = archive.names()
    packages = {
        each for packages in similar_names.programs(architecture.host()).values() for each in packages
    }
    assert packages <= names

"""Where packages come from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from notos.errors import FetchError
from notos.machine import Debian, Url
from notos.mirror import Mirrors, mirrors, of_apt

MAIN = "http://mirror.example/debian"
SECURITY = "http://security.example/debian-security"


def debian(mirror: str = "auto", security: str = "auto") -> Debian:
    return Debian(mirror=Url(mirror), security_mirror=Url(security))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (debian(MAIN), Mirrors(MAIN, f"{MAIN}-security")),
        (debian(MAIN + "/"), Mirrors(MAIN, f"{MAIN}-security")),
        (debian(MAIN, SECURITY + "/"), Mirrors(MAIN, SECURITY)),
        (debian("https://host.example/x", SECURITY), Mirrors("https://host.example/x", SECURITY)),
    ],
)
def test_named(asked: Debian, expected: Mirrors) -> None:
    assert mirrors(asked) == expected


def test_a_security_mirror_that_cannot_be_guessed() -> None:
    with pytest.raises(FetchError) as caught:
        mirrors(debian("http://mirror.example/archive"))
    assert "debian.security_mirror" in caught.value.hint


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([f"{MAIN}/\tDebian\tDebian", f"{SECURITY}/\tDebian\tDebian-Security"], (MAIN, SECURITY)),
        ([f"{SECURITY}/\tDebian\tDebian-Security", f"{MAIN}/\tDebian\tDebian"], (MAIN, SECURITY)),
        # apt has never fetched an index, as in a container image
        ([f"{MAIN}/\t\t", f"{SECURITY}/\t\t"], (MAIN, SECURITY)),
        # the first one counts; other origins, media and backports do not
        (
            [
                "http://other.example/debian/\tOther\tDebian",
                "cdrom://disc/debian/\tDebian\tDebian",
                "http://back.example/debian/\tDebian\tDebian Backports",
                f"{MAIN}/\tDebian\tDebian",
                "http://late.example/debian/\tDebian\tDebian",
            ],
            (MAIN, None),
        ),
    ],
)
def test_of_apt(targets: list[str], expected: tuple[str, str | None]) -> None:
    found = of_apt(targets)
    assert (found["main"], found.get("security")) == expected


@pytest.mark.parametrize("targets", [[], ["http://mirror.example/ubuntu/\tUbuntu\tUbuntu"], [SECURITY], [""]])
def test_an_apt_without_debian(targets: list[str]) -> None:
    with pytest.raises(FetchError) as caught:
        of_apt(targets)
    assert "set debian.mirror" in caught.value.hint


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make `apt-get` a script, and the only program there is."""

    def install(script: str) -> None:
        path = tmp_path / "apt-get"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    return install


def test_auto_asks_apt(apt: Callable[[str], None]) -> None:
    apt(f'[ "$1" = indextargets ] && printf "{MAIN}/\\tDebian\\tDebian\\n"')
    assert mirrors(debian()) == Mirrors(MAIN, f"{MAIN}-security")
    assert mirrors(debian(security=SECURITY)) == Mirrors(MAIN, SECURITY)


@pytest.mark.parametrize("script", [None, "exit 100"])
def test_auto_on_other_hosts(apt: Callable[[str], None], script: str | None) -> None:
    if script:
        apt(script)
    with pytest.raises(FetchError) as caught:
        mirrors(debian())
    assert "set debian.mirror" in caught.value.hint

"""The cache's places."""

from pathlib import Path

import pytest

from notos.cache import Cache


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/own", "/xdg", "/own"),
        ("", "/xdg", "/xdg/notos"),
        (None, "/xdg", "/xdg/notos"),
        (None, None, "/home/me/.cache/notos"),
        (None, "relative/is/ignored", "/home/me/.cache/notos"),
    ],
)
def test_default(monkeypatch: pytest.MonkeyPatch, own: str | None, xdg: str | None, expected: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in (("NOTOS_CACHE", own), ("XDG_CACHE_HOME", xdg)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert Cache.default().root == Path(expected)


def test_a_relative_cache_stays_where_it_is_after_chdir(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOTOS_CACHE", "here")
    assert Cache.default().root == tmp_path / "here"


def test_places_differ() -> None:
    cache = Cache(Path("/c"))
    hashes = ["ab" + "0" * 62, "ab" + "1" * 62, "cd" + "0" * 62]
    places = [place(each) for each in hashes for place in (cache.download, cache.facts, cache.tools)]
    assert len(set(places)) == 9
    assert cache.download(hashes[0]) == Path("/c/sha256/ab") / hashes[0]

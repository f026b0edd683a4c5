"""Paths in a source: what is refused, and links that lead out."""

from pathlib import Path

import pytest

from notos.programs import inside


@pytest.mark.parametrize(
    "path", ["/", "/a", "..", "../a", "a/../b", "a/..", "", ".", "a//b", "a/", "a\nb", "\0"]
)
def test_paths_that_may_lead_out(path: str) -> None:
    assert inside.fault(path)


@pytest.mark.parametrize("path", ["a", "a/b", "..a", "a..", ".a/b c", "@a/ü"])
def test_plain_paths(path: str) -> None:
    assert not inside.fault(path)


def test_links(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "in").symlink_to("a")
    for name, target in (("out", ".."), ("beside", tmp_path / "topper"), ("root", "/")):
        (top / name).symlink_to(target)
        with pytest.raises(ValueError, match="leads out of the source"):
            inside.real(top, top / name / "x")
    assert inside.real(top, top / "in/missing") == (tmp_path / "top/a/missing").resolve()
    assert inside.real(top, top) == top.resolve()

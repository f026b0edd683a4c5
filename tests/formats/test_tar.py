"""The tar reader, judged by what GNU tar and bsdtar write; debian/test_deb.py has what a .deb may hold."""

import subprocess
from pathlib import Path

import pytest

from notos.errors import PackageError
from notos.formats import tar
from tests.conftest import Tool


def members(path: Path, *, pax: bool) -> dict[str, tuple[bytes, bytes]]:
    reader = tar.Reader(iter([path.read_bytes()]), "", pax=pax)
    return {
        tar.normal(each.name): (each.kind, reader.read() if each.kind == b"0" else b"") for each in reader
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "deep").mkdir(parents=True)
    (top / "a").write_bytes(b"1" * 700)
    (top / "empty").write_bytes(b"")
    (top / "deep" / ("long" * 60)).write_bytes(b"2")
    (top / "ä").symlink_to("deep/" + "long" * 60)
    return top


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
@pytest.mark.parametrize("form", ["pax", "gnu", "ustar"])
def test_what_others_write(folder: Path, tool: Tool, program: str, form: str) -> None:
    if form == "ustar":  # which cannot hold the long names
        (folder / "deep" / ("long" * 60)).unlink()
        (folder / "ä").unlink()
    archive = folder.parent / "x.tar"
    form = "gnutar" if (program, form) == ("bsdtar", "gnu") else form
    subprocess.run([*tool(program), f"--format={form}", "-cf", archive, "top"], cwd=folder.parent, check=True)
    expected = {
        str(path.relative_to(folder.parent)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    found = members(archive, pax=True)
    assert {name: data for name, (kind, data) in found.items() if kind == b"0"} == expected
    assert found["top/deep"][0] == b"5"
    if form != "ustar":
        assert found["top/ä"][0] == b"2"


def test_a_deb_has_no_pax_headers(folder: Path, tool: Tool) -> None:
    archive = folder.parent / "x.tar"
    subprocess.run([*tool("tar"), "--format=pax", "-cf", archive, "top"], cwd=folder.parent, check=True)
    assert {b"x"} & {kind for kind, _ in members(archive, pax=False).values()}


@pytest.mark.parametrize("keep", [511, 513, 1024, 1600])
def test_one_that_is_cut_off(folder: Path, tool: Tool, keep: int) -> None:
    archive = folder.parent / "x.tar"
    subprocess.run([*tool("tar"), "--format=pax", "-cf", archive, "top"], cwd=folder.parent, check=True)
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(PackageError, match="truncated"):
        members(archive, pax=True)


def test_a_broken_pax_header() -> None:
    with pytest.raises(PackageError, match="invalid pax header"):
        tar._records(b"12 path=x")

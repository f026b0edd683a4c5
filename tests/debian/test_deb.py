"""The package reader, against packages that dpkg-deb builds and unpacks."""

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.debian import deb
from notos.errors import PackageError
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.process import run
from tests.conftest import FIXTURES
from tests.trees import described, unpacked

CONTROL = (
    "Package: example\nVersion: 1.0\nArchitecture: amd64\n"
    "Maintainer: X <x@y.example>\nDescription: one\n two\n"
)


def member(name: str, data: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n".encode()
    return header + data + b"\n" * (len(data) % 2)


def archive(entries: Sequence[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for each in entries:
            info, data = each if isinstance(each, tuple) else (each, b"")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def package(path: Path, data: bytes) -> Path:
    control = archive([(entry("./control"), CONTROL.encode())])
    parts = member("debian-binary", b"2.0\n") + member("control.tar", control) + member("data.tar", data)
    path.write_bytes(b"!<arch>\n" + parts)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of a package, in the layout that dpkg-deb reads."""
    root = tmp_path_factory.mktemp("deb") / "root"
    (root / "DEBIAN").mkdir(parents=True, mode=0o755)
    (root / "DEBIAN/control").write_text(CONTROL)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"\x7fELF" + bytes(70000))
    (root / "usr/bin/tool").chmod(0o4755)
    (root / "usr/bin/again").hardlink_to(root / "usr/bin/tool")
    (root / "usr/bin/link").symlink_to("../bin/tool")
    (root / "etc").mkdir()
    (root / "etc/absolute").symlink_to("/etc/alternatives/x")
    (root / "usr" / ("long" * 40)).mkdir()
    (root / "usr" / ("long" * 40) / ("name" * 40)).write_text("x")
    (root / "usr/ünï code").write_text("y")
    return root


@pytest.mark.parametrize("compression", ["xz", "zstd", "gzip", "none"])
def test_it_reads_what_dpkg_deb_builds(
    tool: Callable[[str], list[str]], folder: Path, tmp_path: Path, compression: str
) -> None:
    built = tmp_path / "example.deb"
    words = ["--root-owner-group", f"-Z{compression}", "--build", str(folder), str(built)]
    environment = {"PATH": "/nonexistent", "LC_ALL": "C.UTF-8"}
    # dpkg-deb calls these by name; they come from the same tree, by way of scripts.
    scripts = tmp_path / "bin"
    scripts.mkdir()
    for name, program in {"tar": tool("tar"), "rm": [*tool("busybox"), "rm"]}.items():
        (scripts / name).write_text(f'#!/bin/sh\nexec {" ".join(program)} "$@"\n')
        (scripts / name).chmod(0o755)
    environment["PATH"] = str(scripts)
    run([*tool("dpkg-deb"), *words], env=environment)
    tree = deb.read(built)
    out = tmp_path / "out"
    out.mkdir()
    run([*tool("dpkg-deb"), "-x", built, out], env=environment)
    assert described(tree) == unpacked(out)
    assert tree.get("usr/bin/again") is tree.get("usr/bin/tool")


def test_only_what_is_wanted_is_there(tmp_path: Path) -> None:
    data = archive([(entry("./usr/a"), b"1"), (entry("./usr/share/doc/b"), b"2")])
    tree = deb.read(package(tmp_path / "x.deb", data), wanted=lambda path: "doc" not in path)
    assert "usr/a" in tree
    assert "usr/share/doc/b" not in tree


@pytest.mark.parametrize(
    "entries",
    [
        [entry("/etc/passwd")],
        [entry("./../outside")],
        [entry("./a/../../b")],
        [entry("./link", tarfile.SYMTYPE, "../../outside")],
        [entry("./a/link", tarfile.SYMTYPE, "../../../outside")],
        [entry("./hard", tarfile.LNKTYPE, "./none")],
        [entry("./hard", tarfile.LNKTYPE, "../etc/passwd")],
        [entry("./dir", tarfile.SYMTYPE, "/etc"), entry("./dir/passwd")],
        [entry("./twice"), entry("./twice")],
        [entry("./null", tarfile.CHRTYPE)],
        [entry("./pipe", tarfile.FIFOTYPE)],
    ],
    ids=lambda entries: entries[-1].name + entries[-1].linkname,
)
def test_what_leaves_the_tree_is_refused(tmp_path: Path, entries: list[tarfile.TarInfo]) -> None:
    path = package(tmp_path / "bad.deb", archive(entries))
    with pytest.raises(PackageError, match=r"bad\.deb"):
        deb.read(path)


def test_absolute_links_are_debian_s_own(tmp_path: Path) -> None:
    data = archive([entry("./etc/x", tarfile.SYMTYPE, "/usr/lib/x")])
    assert deb.read(package(tmp_path / "x.deb", data)).get("etc/x") == Symlink("/usr/lib/x")


SMALL = archive(
    [entry("./usr", tarfile.DIRTYPE), (entry("./usr/a"), b"x" * 600), entry("./b", tarfile.SYMTYPE, "usr/a")]
)


@settings(max_examples=150, suppress_health_check=FIXTURES)
@given(st.data())
def test_a_damaged_package_is_an_error_or_a_tree(tmp_path: Path, data: st.DataObject) -> None:
    whole = package(tmp_path / "whole.deb", SMALL).read_bytes()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    spoilt = bytearray(cut)
    if spoilt and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "spoilt.deb"
    path.write_bytes(spoilt)
    try:
        assert isinstance(deb.read(path), Tree)
    except PackageError as error:
        assert "spoilt.deb" in str(error)


def test_the_small_package_is_whole(tmp_path: Path) -> None:
    """The undamaged package of the test above is valid."""
    tree = deb.read(package(tmp_path / "whole.deb", SMALL))
    assert isinstance(tree.get("usr"), Directory)
    assert isinstance(tree.get("usr/a"), File)

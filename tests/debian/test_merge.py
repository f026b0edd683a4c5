"""Paths that several packages have; dpkg is the judge."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notos.debian.unpack import Unpack, unpack
from notos.errors import PackageError
from notos.formats.tree import File, Symlink, Tree
from tests.conftest import FIXTURES, Tool
from tests.dpkg import Dpkg
from tests.trees import described, unpacked

Files = dict[str, bytes | str | None]


@pytest.fixture
def dpkg(tool: Tool, tmp_path: Path) -> Dpkg:
    return Dpkg(tool, tmp_path / "dpkg")


def contents(tree: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    return {
        path: entry
        for path, entry in tree.items()
        if entry[0] != "directory" and not path.startswith("var/") and "/" in path
    }


def ours(debs: list[Path]) -> dict[str, tuple[object, ...]] | str:
    try:
        return contents(described(unpack([Unpack(each, package=each.stem) for each in debs])))
    except PackageError as error:
        return error.message


PATHS = ("usr/x", "usr/y", "usr/x/y", "usr/z")


@st.composite
def package(draw: st.DrawFn, own: str, other: str, links: tuple[str, ...]) -> tuple[Files, str]:
    """Draw files, none of them equal to one of the other package, at most one link, and Replaces.

    With two links, dpkg's two orders would be four cases.
    """
    files: Files = {f"usr/own/{own}": own.encode()}
    for path in PATHS:
        kind = draw(st.sampled_from(("none", "file", "folder", "folder", *links)))
        if any(path.startswith(f"{each}/") for each in files) or kind == "none":
            continue
        if kind == "file":
            files[path] = f"{own} {path}".encode()
        elif kind == "folder":
            files[f"{path}/{own}"] = own.encode()
        else:
            links = ()
            # Not absolute: dpkg without chroot would follow it on this host.
            files[path] = "../" * (path.count("/") - 1) + kind
            files["usr/leads/here"] = b""
    replaces = draw(st.sampled_from(["", "", other, f"{other} (<< 2)", f"{other} (<< 1)", "others"]))
    return files, f"Replaces: {replaces}\n" if replaces else ""


@settings(max_examples=12, suppress_health_check=FIXTURES)
@example(
    ({"usr/y": b"1", "usr/x/y": "../leads", "usr/leads/here": b""}, "Replaces: two\n"),
    ({"usr/y/two": b"2", "usr/x/y/two": b"2"}, ""),
)
@given(package("one", "two", ("leads", "lost")), package("two", "one", ()))
def test_dpkg_agrees_in_one_of_the_orders(
    dpkg: Dpkg, tmp_path: Path, one: tuple[Files, str], two: tuple[Files, str]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    debs = [dpkg.build(folder / "one.deb", *one), dpkg.build(folder / "two.deb", *two)]
    found = ours(debs)
    assert found == ours(debs[::-1])
    theirs = []
    for order in (debs, debs[::-1]):
        root = folder / f"root-{order[0].stem}"
        error = dpkg.unpack(root, order)
        theirs.append(None if error else contents(unpacked(root)))
    if isinstance(found, str):
        assert theirs == [None, None], found
    else:
        assert found in theirs


DIFFERENT = "the packages one and two have different files at"
CASES = [
    ({"usr/x": b"1"}, {"usr/x": b"1"}, {"usr/x": b"1"}),
    (
        {"usr/x": b"1"},
        {"usr/x": b"2"},
        f"{DIFFERENT} usr/x (versions 1 and 1)",
    ),
    (
        {"usr/x": "a"},
        {"usr/x": "b"},
        f"{DIFFERENT} usr/x (versions 1 and 1)",
    ),
    (
        {"etc/x": b"1", "etc/y": b"1"},
        {"etc/x": b"2", "etc/y": b"2"},
        "the packages one and two have different files at etc/x and 1 more (versions 1 and 1)",
    ),
    (
        {"usr/x": b"1"},
        {"usr/x/y": b"2"},
        "the package one has a file at usr/x, where two has a folder (versions 1 and 1)",
    ),
    ({"bin/x": b"1"}, {"usr/bin/x": b"1"}, {"usr/bin/x": b"1"}),
    ({"usr/x": "y", "usr/y/a": b"1"}, {"usr/x/b": b"2"}, {"usr/x": "y", "usr/y/a": b"1", "usr/y/b": b"2"}),
    (
        {"usr/x": "/usr/y", "usr/y/a": b"1"},
        {"usr/x/b": b"2"},
        {"usr/x": "/usr/y", "usr/y/a": b"1", "usr/y/b": b"2"},
    ),
    ({"usr/x": "none"}, {"usr/x/b": b"2"}, {"usr/x/b": b"2"}),
    ({"usr/x": "x"}, {"usr/x/b": b"2"}, {"usr/x/b": b"2"}),
    ({"usr/x": "x/b"}, {"usr/x/b": b"2"}, {"usr/x/b": b"2"}),
    ({"usr/x": "../etc/f", "etc/f": b"1"}, {"usr/x/b": b"2"}, {"usr/x/b": b"2", "etc/f": b"1"}),
    (
        {"usr/x": "y", "usr/y/a": b"1"},
        {"usr/x/a": b"2"},
        "the packages one and two have different files at usr/y/a (versions 1 and 1)",
    ),
    (
        {"usr/lib/x": "../y", "usr/y/a": b"1"},
        {"lib/x/b": b"2", "usr/lib/x/c/d": b"3"},
        {"usr/lib/x": "../y", "usr/y/a": b"1", "usr/y/b": b"2", "usr/y/c/d": b"3"},
    ),
]


@pytest.mark.parametrize(("one", "two", "result"), CASES)
def test_two_packages(dpkg: Dpkg, tmp_path: Path, one: Files, two: Files, result: Files | str) -> None:
    debs = [dpkg.build(tmp_path / "one.deb", one), dpkg.build(tmp_path / "two.deb", two)]
    expected: object = result
    if not isinstance(result, str):
        tree = Tree()
        for path, entry in result.items():
            tree.add(path, Symlink(entry) if isinstance(entry, str) else File(entry or b""))
        expected = contents(described(tree))
    assert ours(debs) == ours(debs[::-1]) == expected


@pytest.mark.parametrize(
    ("one", "two", "winner"),
    [
        ("", "Replaces: one", b"two"),
        ("Replaces: two", "", b"one"),
        ("Replaces: x, two (= 1)", "", b"one"),
        ("Replaces: two (>> 1)", "", None),
        ("", "Replaces: one-more", None),
        ("", "Provides: x\nReplaces: x,\n one (<= 1)", b"two"),
    ],
)
def test_a_package_replaces_files(
    dpkg: Dpkg, tmp_path: Path, one: str, two: str, winner: bytes | None
) -> None:
    """Also the field of a control file that is folded."""
    debs = []
    for name, more in (("one", one), ("two", two)):
        files: Files = {"usr/x": name.encode(), "usr/y": b"same"}
        debs.append(dpkg.build(tmp_path / f"{name}.deb", files, f"{more}\n" if more else ""))
    found = ours(debs)
    if winner is None:
        assert found == f"{DIFFERENT} usr/x (versions 1 and 1)"
    else:
        assert isinstance(found, dict)
        assert found["usr/x"] == ("file", winner, False)


def test_all_disagreements_are_named_together(dpkg: Dpkg, tmp_path: Path) -> None:
    debs = [
        dpkg.build(tmp_path / "a.deb", {"usr/x": b"1", "usr/f": b"1"}),
        dpkg.build(tmp_path / "b.deb", {"usr/x": b"2"}),
        dpkg.build(tmp_path / "c.deb", {"usr/f/x": b"2"}),
    ]
    with pytest.raises(PackageError) as caught:
        unpack([Unpack(each, package=each.stem) for each in debs])
    assert [each.package for each in caught.value.parts] == ["b", "c"]
    assert all("exclude" in each.hint for each in caught.value.parts)

"""Packages laid out as one tree."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from notos.config.value_types import FileKind
from notos.debian.kinds import KINDS
from notos.debian.unpack import Unpack, unpack
from notos.errors import PackageError
from notos.formats.tree import Symlink, Tree
from notos.formats.usr_merge import merged
from tests.signed_archive import Deb
from tests.trees import described


def debs(folder: Path, **packages: dict[str, bytes | str]) -> list[Unpack]:
    """Return packages by name, of these files (a str is a link)."""
    found = []
    for name, files in packages.items():
        path = folder / f"{name}.deb"
        path.write_bytes(Deb(name, files=files).build())
        found.append(Unpack(path))
    return found


def paths(tree: Tree) -> set[str]:
    return {path for path, entry in described(tree).items() if entry[0] != "directory"}


def test_aliased_folders_are_merged(tmp_path: Path) -> None:
    tree = unpack(debs(tmp_path, one={"bin/sh": b"1", "usr/bin/env": b"2", "lib64/ld.so": "x"}))
    assert paths(tree) == {"usr/bin/sh", "usr/bin/env", "usr/lib64/ld.so"}
    assert tree.get("usr/lib64/ld.so") == Symlink("x")
    assert merged("library/x") == "library/x"
    assert merged("bin") == "bin"


def test_what_nobody_reads_is_left_out_unless_kept(tmp_path: Path) -> None:
    files = {
        "usr/share/doc/x/copyright": b"",
        "usr/share/man/man1/x.1": b"",
        "usr/share/locale/de/x.mo": b"",
        "usr/lib/x86_64-linux-gnu/gconv/A.so": b"",
        "etc/init.d/x": b"",
        "etc/x.conf": b"",
    }
    found = debs(tmp_path, one=dict(files))
    assert paths(unpack(found)) == {"etc/x.conf"}
    assert paths(unpack(found, keep=["man"])) == {"etc/x.conf", "usr/share/man/man1/x.1"}
    every = unpack(found, keep=["doc", "man", "locales", "gconv"])
    assert paths(every) == set(files) - {"etc/init.d/x"}


def test_the_config_knows_all_kinds() -> None:
    assert get_args(FileKind) == tuple(KINDS)


READ = [
    ("bash-completion", "usr/share/bash-completion/completions/web"),
    ("cron", "etc/cron.d/web"),
    ("logrotate", "etc/logrotate.d/web"),
    ("cpp-14", "usr/include/web.h"),
    ("clang-19", "usr/include/web.h"),
    ("zsh", "usr/share/zsh/vendor-completions/_web"),
    ("fish", "usr/share/fish/vendor_completions.d/web.fish"),
    ("gdb", "usr/share/gdb/auto-load/web.py"),
    ("apparmor", "etc/apparmor.d/web"),
    ("ifupdown", "etc/network/if-up.d/web"),
    ("ufw", "etc/ufw/applications.d/web"),
    ("isc-dhcp-client", "etc/dhcp/dhclient-exit-hooks.d/web"),
    ("samba-libs", "usr/lib/x86_64-linux-gnu/gconv/IBM850.so"),
    ("passwd", "etc/skel/.profile"),
]


@pytest.mark.parametrize(("reader", "path"), READ, ids=[reader for reader, _ in READ])
def test_a_folder_is_kept_with_the_program_that_reads_it(tmp_path: Path, reader: str, path: str) -> None:
    found = debs(tmp_path, web={path: b"", "usr/bin/web": b""}, reader={"usr/bin/reader": b""})
    web, other = (replace(each, package=name) for each, name in zip(found, ("web", reader), strict=True))
    assert paths(unpack([web])) == {"usr/bin/web"}
    assert paths(unpack([web, other])) == {"usr/bin/web", "usr/bin/reader", path}


def test_packages_that_the_config_names_and_those_that_they_need_have_their_defaults(tmp_path: Path) -> None:
    names = ("web", "web-common", "feature")
    files: dict[str, dict[str, bytes | str]] = {
        name: {f"etc/default/{name}": b"", f"usr/bin/{name}": b""} for name in names
    }
    made = debs(tmp_path, **files)
    web, common, feature = (replace(each, package=name) for each, name in zip(made, names, strict=True))
    found = paths(unpack([replace(web, named=True), replace(common, by="web"), feature]))
    assert {path for path in found if path.startswith("etc/")} == {
        "etc/default/web",
        "etc/default/web-common",
    }


def test_a_package_keeps_the_folder_that_is_its_own(tmp_path: Path) -> None:
    found = debs(
        tmp_path,
        common={"usr/share/zsh/5.9/x": b""},
        dev={"usr/include/foo.h": b"", "usr/share/man/man3/foo.3": b""},
    )
    owners = [
        replace(each, package=name) for each, name in zip(found, ("zsh-common", "libfoo-dev"), strict=True)
    ]
    assert paths(unpack(owners)) == {"usr/share/zsh/5.9/x", "usr/include/foo.h"}
    assert paths(unpack(found)) == set()


def test_a_named_package_is_not_emptied(tmp_path: Path) -> None:
    notice = "usr/share/doc/x/copyright"
    found = debs(
        tmp_path,
        manpages={"usr/share/man/man7/x.7": b"", notice: b""},
        meta={notice: b""},
        mixed={"usr/bin/x": b"", "usr/share/man/man1/x.1": b""},
    )
    named = [replace(each, package=each.path.stem, named=True) for each in found]
    assert paths(unpack(named)) == {"usr/share/man/man7/x.7", notice, "usr/bin/x"}
    assert paths(unpack([replace(each, named=False) for each in named])) == {"usr/bin/x"}


def test_manual_pages_are_for_a_named_viewer_only(tmp_path: Path) -> None:
    found = debs(tmp_path, one={"usr/share/man/man1/x.1": b"", "usr/bin/x": b""}, viewer={"usr/bin/man": b""})
    viewer = replace(found[1], package="man-db")
    assert paths(unpack([found[0], viewer])) == {"usr/bin/x", "usr/bin/man"}
    both = paths(unpack([found[0], replace(viewer, named=True)]))
    assert both == {"usr/bin/x", "usr/bin/man", "usr/share/man/man1/x.1"}


def test_only_and_exclude_match_merged_paths(tmp_path: Path) -> None:
    (one,) = debs(tmp_path, one={"bin/a": b"", "bin/b": b"", "usr/lib/c": b""})
    assert paths(unpack([Unpack(one.path, only=("usr/bin/*",))])) == {"usr/bin/a", "usr/bin/b"}
    assert paths(unpack([Unpack(one.path, exclude=("*/b",))])) == {"usr/bin/a", "usr/lib/c"}


def test_two_packages_may_have_the_same_file_but_not_different_ones(tmp_path: Path) -> None:
    same = debs(tmp_path, one={"usr/x": b"1"}, two={"usr/x": b"1"})
    assert paths(unpack(same)) == {"usr/x"}
    different = debs(tmp_path, one={"usr/x": b"1"}, two={"usr/x": b"2"})
    with pytest.raises(PackageError, match=r"one\.deb and two\.deb have different files at usr/x"):
        unpack(different)
    named = [replace(each, package=each.path.stem) for each in different]
    with pytest.raises(PackageError, match="one and two have different files at usr/x") as caught:
        unpack(named)
    assert caught.value.package == "two"


def test_patterns_that_leave_nothing_are_an_error(tmp_path: Path) -> None:
    (one,) = debs(tmp_path, one={"bin/a": b""})
    with pytest.raises(PackageError, match="`only` matches no file of the package a: bin/a"):
        unpack([Unpack(one.path, only=("bin/a",), package="a")])


def test_the_order_of_packages_does_not_matter(tmp_path: Path) -> None:
    found = debs(tmp_path, one={"usr/x": b"1", "usr/y": b"1"}, two={"usr/x": b"1"}, three={"usr/z": "y"})
    assert described(unpack(found)) == described(unpack(found[::-1], jobs=1))

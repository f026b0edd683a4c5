"""Libraries and links of packages that lead nowhere."""

from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.debian.unpack import Unpack
from notos.formats import shared_libraries
from notos.formats.tree import Tree
from notos.system.missing_files import Check
from tests.elf_builder import elf

LIB = "usr/lib/x86_64-linux-gnu"
Files = dict[str, bytes | str]


def check(**packages: Files) -> Check:
    """Return the check of packages with these files; a str is the target of a link."""
    tree = Tree()
    owners = {}
    for name, files in packages.items():
        for path, content in files.items():
            owners[path] = name
            if isinstance(content, str):
                tree.symlink(path, content)
            else:
                tree.file(path, content, executable=True)
    debs = [Unpack(Path("deb"), package=name, by="" if name == "main" else "main") for name in packages]
    survey = shared_libraries.survey(tree, AMD64)
    return Check(tree, survey, AMD64, owners=owners, debs=debs, applets=["bin/sh", "bin/awk"])


def errors(**packages: Files) -> list[tuple[str, str]]:
    return [(each.package, each.message) for each in check(**packages).errors()]


def test_whole_packages_are_right() -> None:
    packages: dict[str, Files] = {
        "main": {
            "usr/bin/tool": elf("libfoo.so.1"),
            "usr/sbin/again": "/bin/tool",
            "usr/bin/editor": "/etc/alternatives/editor",
            "usr/bin/state": "../../var/lib/main/x",
            "usr/lib/debug/tool": "gone",
        },
        "foo": {f"{LIB}/libfoo.so.1": "libfoo.so.1.2", f"{LIB}/libfoo.so.1.2": elf(soname="libfoo.so.1")},
    }
    assert errors(**packages) == [] and list(check(**packages).notes()) == []


def test_programs_that_are_links_to_nothing() -> None:
    assert errors(
        main={"usr/bin/redis-server": "redis-check-rdb"},
        other={"usr/sbin/a": "/usr/sbin/b", "usr/sbin/b": "/sbin/a", "usr/libexec/c": "../lib/gone/c"},
    ) == [
        (
            "main",
            "the package main has programs that are links to missing files: "
            "/usr/bin/redis-server -> redis-check-rdb",
        ),
        (
            "main",
            "the package other has programs that are links to missing files: "
            "/usr/libexec/c -> ../lib/gone/c; /usr/sbin/a -> /usr/sbin/b and 1 more",
        ),
    ]


def test_libraries_that_programs_and_public_libraries_lack() -> None:
    found = errors(main={"usr/bin/tool": elf("libgone.so.1"), f"{LIB}/libmain.so.1": elf("libother.so.1")})
    assert found == [
        (
            "main",
            "the package main lacks libraries: /usr/bin/tool needs libgone.so.1; "
            f"/{LIB}/libmain.so.1 needs libother.so.1",
        )
    ]


BLAS: Files = {f"{LIB}/blas/libblas.so.3": elf(soname="libblas.so.3")}
PLACE = f"which blas has at /{LIB}/blas/libblas.so.3"


@pytest.mark.parametrize(
    "path", ["usr/lib/python3/dist-packages/numpy/umath.so", "usr/bin/octave", f"{LIB}/libgsl.so.28"]
)
def test_a_library_in_a_folder_that_nothing_names(path: str) -> None:
    needy: Files = {path: elf("libblas.so.3")}
    assert errors(main=needy, blas=BLAS) == [
        (
            "main",
            f"the package main lacks libraries where ld.so(8) searches: /{path} needs libblas.so.3, {PLACE}",
        )
    ]
    # as update-alternatives links it on Debian
    assert errors(main=needy, blas={**BLAS, f"{LIB}/libblas.so.3": "blas/libblas.so.3"}) == []


def test_a_private_library_that_a_program_has_loaded() -> None:
    host: Files = {f"{LIB}/host/libhost.so.1": elf(soname="libhost.so.1")}
    plugin: Files = {f"{LIB}/plugins/x.so": elf("libhost.so.1")}
    assert len(errors(main=plugin, host=host)) == 1
    assert errors(main={**plugin, **host}) == []
    assert errors(main=plugin, host={**host, "usr/bin/host": b"#!/bin/sh\n"}) == []
    program = elf("libhost.so.1", runpath=[f"/{LIB}/host"])
    assert errors(main={**plugin, "usr/bin/tool": program}, host=host) == []


def test_optional_parts_are_notes() -> None:
    found = check(
        main={
            f"{LIB}/zsh/curses.so": elf("libncursesw.so.6"),
            "usr/share/main/fonts/a.ttf": "../../fonts/a.ttf",
            "usr/share/main/fonts/b.ttf": "../../fonts/b.ttf",
        }
    )
    assert list(found.errors()) == []
    assert list(found.notes()) == [
        f"optional parts of main lack files: /{LIB}/zsh/curses.so needs libncursesw.so.6 and 2 more"
    ]


def test_scripts_without_their_interpreters_are_notes() -> None:
    """Debian's packages do not depend on Essential packages; busybox has sh and awk."""
    found = check(
        main={
            "usr/bin/wg-quick": b"#!/bin/bash\n",
            "usr/bin/plain": b"#!/bin/sh\n",
            "usr/bin/table": b"#!/usr/bin/awk -f\n",
            "usr/bin/known": b"#!/usr/bin/env tool\n",
            "usr/share/main/example": b"#!/usr/bin/perl\n",
        },
        other={"usr/bin/tool": elf(), "usr/sbin/update": b"#!/usr/bin/perl -w\n"},
    )
    assert list(found.errors()) == []
    assert list(found.notes()) == [
        "no package has /bin/bash for /usr/bin/wg-quick of main; add the package bash if you use them",
        "no package has /usr/bin/perl for /usr/sbin/update of other; add the package perl if you use them",
    ]


def test_scripts_for_one_interpreter_are_one_note() -> None:
    """Tools whose work is done while the system is built are not named: nobody can call them."""
    names = ("usr/bin/a", "usr/bin/b", "usr/bin/c", "usr/bin/d")
    found = check(
        main={
            **dict.fromkeys(names, b"#!/usr/bin/env lua\n"),
            "usr/sbin/pam-auth-update": b"#!/usr/bin/perl\n",
        }
    )
    assert list(found.notes()) == [
        "no package has /usr/bin/lua for /usr/bin/a of main, /usr/bin/b of main, /usr/bin/c of main "
        "and 1 more"
    ]

"""Libraries within a tree."""

from dataclasses import replace

import pytest

from notos.architecture import AMD64
from notos.errors import ClosureError
from notos.formats import linker_script, shared_libraries
from notos.formats.shared_libraries import Missing
from notos.formats.tree import Symlink, Tree
from tests.elf_builder import AARCH64, elf
from tests.other_architecture import OTHER

LIB = "usr/lib/x86_64-linux-gnu"
LOADER = "/lib64/ld-linux-x86-64.so.2"


def system() -> Tree:
    tree = Tree()
    tree.file("usr/bin/tool", elf("liba.so.1", "libc.so.6", interpreter=LOADER), executable=True)
    tree.file(f"{LIB}/liba.so.1.2", elf("libc.so.6", soname="liba.so.1"))
    tree.symlink(f"{LIB}/liba.so.1", "liba.so.1.2")
    tree.file(f"{LIB}/libc.so.6", elf("ld-linux-x86-64.so.2", soname="libc.so.6"), executable=True)
    tree.file(f"{LIB}/ld-linux-x86-64.so.2", elf(soname="ld-linux-x86-64.so.2"), executable=True)
    tree.symlink("usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    return tree


def test_the_closure_goes_all_the_way_down() -> None:
    assert shared_libraries.closure(system(), ["usr/bin/tool"], AMD64) == {
        "ld-linux-x86-64.so.2": f"{LIB}/ld-linux-x86-64.so.2",
        "liba.so.1": f"{LIB}/liba.so.1.2",
        "libc.so.6": f"{LIB}/libc.so.6",
    }
    assert shared_libraries.survey(system(), AMD64)[0] == []


def test_libraries_of_packages_that_are_not_usr_merged() -> None:
    """The loader's link of bookworm, and run paths, interpreters and links to /lib."""
    tree = system()
    tree.replace("usr/lib64/ld-linux-x86-64.so.2", Symlink("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"))
    tree.replace(f"{LIB}/liba.so.1", Symlink("/lib/x86_64-linux-gnu/liba.so.1.2"))
    tree.file("usr/lib/own/libown.so", elf(soname="libown.so"))
    tree.file(
        "usr/bin/other", elf("libown.so", runpath=["/lib/own"], interpreter=f"/usr{LOADER}"), executable=True
    )
    assert shared_libraries.survey(tree, AMD64)[0] == []
    assert shared_libraries.closure(tree, ["usr/bin/tool", "usr/bin/other"], AMD64) == {
        "ld-linux-x86-64.so.2": f"{LIB}/ld-linux-x86-64.so.2",
        "liba.so.1": f"{LIB}/liba.so.1.2",
        "libc.so.6": f"{LIB}/libc.so.6",
        "libown.so": "usr/lib/own/libown.so",
    }


def test_what_is_missing_is_named() -> None:
    tree = system()
    tree.remove(f"{LIB}/liba.so.1")
    assert shared_libraries.survey(tree, AMD64)[0] == [Missing("usr/bin/tool", "liba.so.1")]
    with pytest.raises(ClosureError, match=r"usr/bin/tool needs the library liba\.so\.1"):
        shared_libraries.closure(tree, ["usr/bin/tool"], AMD64)


def test_a_run_path_is_searched() -> None:
    tree = system()
    tree.file("usr/libexec/x/tool", elf("libown.so", runpath=["$ORIGIN/../../lib/x"]), executable=True)
    tree.file("usr/lib/x/libown.so", elf(soname="libown.so"))
    assert shared_libraries.survey(tree, AMD64)[0] == []
    assert shared_libraries.closure(tree, ["usr/libexec/x/tool"], AMD64) == {
        "libown.so": "usr/lib/x/libown.so"
    }


# libm.so and libc.so of libc6-dev, libncursesw.so of libncurses-dev.
SCRIPTS = [
    (
        "/* GNU ld script\n*/\nOUTPUT_FORMAT(elf64-x86-64)\n"
        "GROUP ( /lib/x86_64-linux-gnu/libm.so.6  AS_NEEDED ( /lib/x86_64-linux-gnu/libmvec.so.1 ) )\n",
        ("/lib/x86_64-linux-gnu/libm.so.6", "/lib/x86_64-linux-gnu/libmvec.so.1"),
    ),
    (
        "/* Use the shared library, but some functions are only in\n   the static library /lib/x.  */\n"
        "GROUP ( /lib/libc.so.6 /usr/lib/libc_nonshared.a  AS_NEEDED ( /lib64/ld-linux-x86-64.so.2 ) )\n",
        ("/lib/libc.so.6", "/usr/lib/libc_nonshared.a", "/lib64/ld-linux-x86-64.so.2"),
    ),
    ("INPUT(libncursesw.so.6 -ltinfo)\n", ()),
    ("INPUT(/lib/a.so,/lib/b.so)\nGROUP(/lib/c.so)", ("/lib/a.so", "/lib/b.so", "/lib/c.so")),
    ("#!/bin/sh\necho /lib/x\n", ()),
    ("\x7fELF\0GROUP ( /lib/x )", ()),
]


@pytest.mark.parametrize(("text", "names"), SCRIPTS)
def test_linker_scripts_name_libraries(text: str, names: tuple[str, ...]) -> None:
    assert linker_script.files(text.encode()) == names


def test_what_a_linker_script_names_is_needed() -> None:
    tree = system()
    tree.text(f"{LIB}/libm.so", "GROUP ( /lib/x86_64-linux-gnu/libm.so.6 AS_NEEDED ( /usr/lib/gone.so ) )")
    tree.file(f"{LIB}/libm.so.6", elf("libc.so.6", soname="libm.so.6"))
    survey = shared_libraries.survey(tree, AMD64)
    assert survey.problems == [Missing(f"{LIB}/libm.so", "/usr/lib/gone.so")]
    assert f"{LIB}/libm.so.6" in survey.needed


def test_other_processors_programs_are_data() -> None:
    tree = system()
    tree.file("usr/share/arm/tool", elf("libnone.so", machine=AARCH64), executable=True)
    tree.file("usr/libx32/tool", elf("libnone.so", bits=32), executable=True)  # x32 has the same e_machine
    assert shared_libraries.survey(tree, AMD64)[0] == []
    x32 = replace(AMD64, elf=(1, 1, 62))
    assert shared_libraries.survey(tree, x32)[0] == [Missing("usr/libx32/tool", "libnone.so")]


def test_libraries_are_looked_for_where_the_architecture_s_loader_looks() -> None:
    tree = Tree()
    tree.file("usr/bin/tool", elf("liba.so", machine=999), executable=True)
    tree.file("usr/lib/first/liba.so", elf(soname="liba.so", machine=999))
    tree.file("usr/lib/other-linux-gnu/liba.so", elf(soname="liba.so", machine=999))
    other = replace(OTHER, elf=(2, 1, 999))
    assert shared_libraries.closure(tree, ["usr/bin/tool"], other) == {
        "liba.so": "usr/lib/other-linux-gnu/liba.so"
    }

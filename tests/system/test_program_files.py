"""The files of built programs in the machine: conflicts, missing libraries and interpreters."""

from notos import architecture
from notos.features.model import Removal
from notos.formats.tree import File, Tree
from notos.system import program_files
from notos.system.state import Member
from tests.elf_builder import elf

TARGET = architecture.AMD64


def tree(**files: bytes) -> Tree:
    made = Tree()
    for path, data in files.items():
        made.file(path.replace("__", "/"), data, executable=True)
    return made


def test_the_members_of_a_program() -> None:
    made = tree(opt__app__bin__run=b"x")
    made.text("opt/app/data", "x")
    made.symlink("usr/bin/run", "/opt/app/bin/run")
    found = {each.path: (each.mode, each.keys) for each in program_files.members("app", made)}
    assert found == {
        "/opt/app": ("0755", ("build", "app")),
        "/opt/app/bin": ("0755", ("build", "app")),
        "/opt/app/bin/run": ("0755", ("build", "app")),
        "/opt/app/data": ("0644", ("build", "app")),
        "/usr/bin": ("0755", ("build", "app")),
        "/usr/bin/run": ("0777", ("build", "app")),
    }
    removed = [Removal("/opt/app/bin"), Removal("/usr/*/run")]
    assert {each.path for each in program_files.members("app", made, removed)} == {
        *("/opt/app", "/opt/app/data", "/usr/bin"),
    }


def members(name: str, *paths: str) -> list[Member]:
    return [Member(path, File(b"x"), "0755", keys=("build", name)) for path in paths]


def test_two_files_at_one_path() -> None:
    found = program_files.conflicts(
        [*members("a", "/opt/x", "/opt/y"), *members("b", "/opt/x", "/usr/bin/ls")],
        lambda path: path == "/usr/bin/ls",
        {"/opt/y": ("files", "/opt/y")},
    )
    assert [str(each) for each in found] == [
        "build.a and files./opt/y both make /opt/y: leave one out",
        "build.b and build.a both make /opt/x: leave one out",
        "build.b makes /usr/bin/ls, which a package has too: "
        "rename it, or add the package's path to `remove`",
    ]


def lacking(root: Tree, *paths: str, package: str = "") -> list[str]:
    own = [
        Member(f"/{path}", entry, "0755", keys=("build", "app"))
        for path, entry in root.items()
        if path in paths
    ]
    return [str(each) for each in program_files.lacking(own, root, TARGET, lambda name, soname: package)]


def test_missing_libraries() -> None:
    needs = elf("libpq.so.5")
    root = tree(opt__app__a=needs, opt__app__lib__b__so=needs)
    assert lacking(root, "opt/app/a", package="libpq5") == [
        "build.app: the machine lacks libpq.so.5, which /opt/app/a needs: add libpq5 to build.app.needs"
    ]
    assert lacking(root, "opt/app/a", "opt/app/lib/b/so") == [
        "build.app: the machine lacks libpq.so.5, which /opt/app/a, /opt/app/lib/b/so need: add the package "
        "with it to build.app.needs, or the file to `remove`"
    ]
    root.file(f"{TARGET.libraries}/libpq.so.5", elf())
    assert lacking(root, "opt/app/a") == []


def test_files_for_another_c_library_are_data() -> None:
    root = tree(opt__app__x__node=elf("libc.musl-x86_64.so.1"))
    assert lacking(root, "opt/app/x/node") == []


def test_missing_interpreters() -> None:
    root = tree(
        opt__app__bin__run=b"#!/usr/bin/env bash\n",
        opt__app__bin__own=b"#!/opt/app/bin/python\n",
        opt__app__lib__example=b"#!/usr/bin/ruby\n",
    )
    found = lacking(root, "opt/app/bin/run", "opt/app/bin/own", "opt/app/lib/example")
    assert [each.partition(",")[0] for each in found] == [
        "build.app: the machine lacks /opt/app/bin/python",
        "build.app: the machine lacks bash",
    ]

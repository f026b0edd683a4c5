"""The compilation of run-unit: its bytes, its cache, and the compiler's messages."""

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from notos.cache import Cache
from notos.errors import ToolError
from notos.system import run_unit
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import ROOT

SOURCE = ROOT / "runit/run-unit"
SMALL = 150_000  # bytes


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """Return a folder with a small program of two files."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "main.c").write_text('#include "text.h"\nint main(void) { return number(); }\n')
    (folder / "text.h").write_text("int number(void);\n")
    (folder / "text.c").write_text('#include "text.h"\nint number(void) { return 42; }\n')
    return folder


def test_the_program_is_small_and_static(compiler_key: tuple[ToolsTree, str], tmp_path: Path) -> None:
    tools, key = compiler_key
    tree = run_unit.compiled(Cache(tmp_path / "cache"), SOURCE, tools, key, target=tools.build)
    assert [path for path, _ in tree.items()] == ["run-unit"]
    (tmp_path / "object").mkdir()
    tree.write_to(tmp_path / "object")
    data = (tmp_path / "object/run-unit").read_bytes()
    assert len(data) < SMALL
    assert str(ROOT).encode() not in data
    # A second project finds it in the cache, also from another folder.
    copied = shutil.copytree(SOURCE, tmp_path / "elsewhere")
    none = replace(tools, root=tmp_path / "none")
    again = run_unit.compiled(Cache(tmp_path / "cache"), copied, none, key, target=tools.build)
    (tmp_path / "again").mkdir()
    again.write_to(tmp_path / "again")
    assert (tmp_path / "again/run-unit").read_bytes() == data
    # Compiled anew in another folder, it has the same bytes.
    assert run_unit.compile_(copied, tools) == data


def test_the_key_depends_on_sources_and_tools(hello: Path) -> None:
    before = run_unit.key(hello, "tools")
    assert before == run_unit.key(hello, "tools")
    assert before != run_unit.key(hello, "others")
    (hello / "note.txt").write_text("no source")
    assert before == run_unit.key(hello, "tools")
    (hello / "text.h").write_text("int number(void); \n")
    assert before != run_unit.key(hello, "tools")


def test_a_warning_is_an_error(compiler_key: tuple[ToolsTree, str], hello: Path) -> None:
    (hello / "text.c").write_text('#include "text.h"\nint number(void) { int unused = 1; return 42; }\n')
    with pytest.raises(ToolError, match=r"unused variable .unused. \[-Werror=unused-variable\]"):
        run_unit.compile_(hello, compiler_key[0])


def test_another_architecture_is_refused(compiler_key: tuple[ToolsTree, str], tmp_path: Path) -> None:
    tools, key = compiler_key
    other = replace(tools.build, title="other")
    with pytest.raises(ToolError, match="only on a host of the machine's architecture, other;") as caught:
        run_unit.compiled(Cache(tmp_path), SOURCE, tools, key, target=other)
    assert "build machines with systemd units on such a host" in caught.value.hint


def test_a_tree_without_a_compiler(tmp_path: Path, hello: Path, compiler_key: tuple[ToolsTree, str]) -> None:
    with pytest.raises(ToolError, match="no cc1 in the tools tree"):
        run_unit.compile_(hello, replace(compiler_key[0], root=tmp_path / "none"))


def test_the_program_has_no_interpreter(compiler_key: tuple[ToolsTree, str], hello: Path) -> None:
    data = run_unit.compile_(hello, compiler_key[0])
    count, offset = struct.unpack_from("<H", data, 56)[0], struct.unpack_from("<Q", data, 32)[0]
    kinds = [struct.unpack_from("<I", data, offset + 56 * at)[0] for at in range(count)]
    assert 1 in kinds  # PT_LOAD
    assert not {2, 3} & set(kinds)  # PT_DYNAMIC, PT_INTERP

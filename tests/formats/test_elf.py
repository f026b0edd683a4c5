"""The ELF reader, against files built by hand and against real programs and readelf's own library."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.errors import PackageError
from notos.formats import elf
from notos.toolchain.tools_tree import ToolsTree
from tests import elf_builder

NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=20
)


@given(st.lists(NAMES, max_size=5), NAMES | st.none(), NAMES | st.none(), NAMES | st.none())
def test_what_is_built_is_read(
    needed: list[str], soname: str | None, runpath: str | None, interpreter: str | None
) -> None:
    runpaths = [runpath] if runpath is not None else []
    data = elf_builder.elf(*needed, soname=soname, runpath=runpaths, interpreter=interpreter)
    parsed = elf.parse(data)
    assert parsed == elf.Elf(
        kind=(2, 1, 62),
        soname=soname,
        needed=tuple(needed),
        runpath=tuple(runpaths),
        interpreter=interpreter,
    )


def test_a_run_path_is_split() -> None:
    parsed = elf.parse(elf_builder.elf(runpath=["$ORIGIN/../lib", "/opt/lib"]))
    assert parsed is not None
    assert parsed.runpath == ("$ORIGIN/../lib", "/opt/lib")


WHOLE = elf_builder.elf("libc.so.6", soname="libx.so.1", interpreter="/lib64/ld.so")


@given(st.integers(0, len(WHOLE)))
def test_truncated_anywhere(length: int) -> None:
    data = WHOLE[:length]
    try:
        parsed = elf.parse(data)
    except PackageError:
        return
    assert parsed is None or length == len(WHOLE) or parsed.kind == (2, 1, 62)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_spoilt_anywhere(at: int, value: int) -> None:
    data = bytearray(WHOLE)
    data[at] = value
    with contextlib.suppress(PackageError):
        elf.parse(bytes(data))


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fEL", b"\x7fELG" + bytes(100)])
def test_other_files_are_not_elf(data: bytes) -> None:
    assert elf.parse(data) is None


def test_real_programs(tools_tree: ToolsTree) -> None:
    """Compare with known values of Debian's busybox and libc."""
    busybox = elf.parse((tools_tree.root / "usr/bin/busybox").read_bytes())
    assert busybox is not None
    assert busybox.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert "libc.so.6" in busybox.needed
    libc = elf.parse((tools_tree.root / "usr/lib/x86_64-linux-gnu/libc.so.6").read_bytes())
    assert libc is not None
    assert libc.soname == "libc.so.6"
    assert elf.section((tools_tree.root / "usr/bin/busybox").read_bytes(), ".interp") == (
        b"/lib64/ld-linux-x86-64.so.2\0"
    )

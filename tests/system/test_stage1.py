"""Drives in stage-1: its shell functions, run here on files in place of a drive."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

DISK = Path(__file__).resolve().parents[2] / "scripts/stage1/disk"
SIZE = 1500 << 20

Ask = Callable[[Path, str], bool]


@pytest.fixture
def ask(tool: Callable[[str], list[str]]) -> Ask:
    """Return True if a function of stage-1 succeeds, in busybox's shell with busybox's programs."""

    def run(drive: Path, function: str) -> bool:
        applets = "".join(
            f'{name}() {{ {" ".join(tool("busybox"))} {name} "$@"; }}\n'
            for name in ("od", "dd", "tr", "head", "wc")
        )
        script = f". {DISK}; {applets} realroot={drive}; {function} {drive} {SIZE >> 20}"
        done = subprocess.run(
            [*tool("busybox"), "ash", "-c", script], env={}, capture_output=True, text=True, check=False
        )
        assert not done.stderr
        return done.returncode == 0

    return run


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    path = tmp_path / "drive"
    with path.open("wb") as stream:
        stream.truncate(SIZE)
    return path


def test_zeros_are_blank(ask: Ask, drive: Path) -> None:
    assert ask(drive, "isBlank")
    assert not ask(drive, "readSuperblock")


@pytest.mark.parametrize(
    "offset",
    {
        "boot sector": 510,
        "LVM": 512,
        "ext4": 1080,
        "ISO 9660": 32769,
        "btrfs": 65600,
        "ext4 of 1 KiB blocks, copy": 8193 * 1024,
        "btrfs, copy": (64 << 20) + 64,
        **{f"ext4 of 4 KiB blocks, copy in {group}": (group * 128 << 20) + 56 for group in (1, 3, 5, 7, 9)},
        "md 0.90": SIZE - 65536,
        "GPT, copy": SIZE - 512,
        "the last byte": SIZE - 1,
    }.items(),
    ids=lambda item: item[0],
)
@pytest.mark.parametrize("mark", [b"E", b"\n"], ids=["letter", "newline"])
def test_a_mark_of_any_kind_is_seen(ask: Ask, drive: Path, offset: tuple[str, int], mark: bytes) -> None:
    with drive.open("r+b") as stream:
        stream.seek(offset[1])
        stream.write(mark)
    assert not ask(drive, "isBlank")


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (("-t", "ext4", "-L", "notos"), True),
        (("-t", "ext4", "-L", "notosa"), False),
        (("-t", "ext4", "-L", "noto"), False),
        (("-t", "ext4", "-L", "notos and more"), False),
        (("-t", "ext4"), False),
    ],
)
def test_an_ext4_of_ours_is_known_by_its_label(
    ask: Ask, drive: Path, tool: Callable[[str], list[str]], words: tuple[str, ...], ours: bool
) -> None:
    subprocess.run([*tool("mke2fs"), "-q", "-F", *words, drive], check=True)
    assert ask(drive, "readSuperblock") is ours
    assert not ask(drive, "isBlank")

"""The least memory: its rule, and the build's error; tests/machines/test_memory.py boots with it."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from notos import loader
from notos.config.model import Machine, Nix
from notos.errors import KernelError
from notos.features import registry
from notos.outputs.qemu import memory
from tests.conftest import Project

DEFAULT = loader.load(Path(__file__).resolve().parents[2] / "config.yaml").machine
MIB = 1 << 20


def bzimage(path: Path, size: int) -> Path:
    header = bytearray(0x264)
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<QI", header, 0x258, 16 * MIB, size)
    path.write_bytes(header)
    return path


def test_what_it_follows_from(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"")
    plain = replace(DEFAULT, nix=Nix())

    def least(machine: Machine, kernel: int, unpacked: int = 0) -> int:
        vmlinuz = bzimage(tmp_path / "vmlinuz", kernel * MIB)
        return memory.least(
            registry.features(machine), vmlinuz=vmlinuz, initrd=initrd, unpacked=unpacked * MIB
        )

    assert least(plain, 14) == least(DEFAULT, 14) == 64
    assert (least(plain, 56), least(DEFAULT, 56)) == (80, 96)
    # An initrd with firmware must fit besides the kernel before it starts.
    assert least(DEFAULT, 56, unpacked=100) == 176


def test_no_bzimage(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(b"MZ")
    with pytest.raises(KernelError, match="is not a bzImage"):
        memory.least(
            registry.features(DEFAULT), vmlinuz=tmp_path / "vmlinuz", initrd=tmp_path / "vmlinuz", unpacked=0
        )


def test_too_little_is_an_error_of_the_build(built: Project) -> None:
    """At its line; nothing is left that could be booted."""
    text = "name: little\nimports: [config.yaml]\nvm:\n  memory: 64\n"
    (built.root / "little.yaml").write_text(text)
    (built.root / "little.lock").write_bytes((built.root / "config.lock").read_bytes())
    done = built.doit("config=little.yaml", "runvm", check=False)
    assert done.returncode == 1
    assert (
        "little.yaml:4: vm.memory is 64, but this machine needs at least 96 MiB to boot: "
        "write memory: 96, or more\n"
        "    memory: 64\n"
    ) in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (built.root / "build/little/runvm.sh").exists()
    (built.root / "little.yaml").write_text(text.replace("64", "96"))
    built.doit("config=little.yaml", "runvm")
    assert "\nleastMemory=96\n" in (built.root / "build/little/runvm.sh").read_text()

"""Outputs of extensions: what their function may read, and what it must write."""

import subprocess
import sys
from pathlib import Path

import pytest

from notos import loader
from notos.errors import ConfigError
from notos.outputs import registry
from notos.outputs.model import Inputs, Output
from tests.conftest import ROOT, clean_environment

CODE = """\
from notos.outputs.model import Output

def outputs(machine, settings):
    return [Output(name="one", doc="make one", files=("a", "b/c"), needs=("initrd",), write=write)]

def write(inputs, folder):
    (folder / "b").mkdir()
    (folder / "a").write_bytes(inputs.initrd.read_bytes())
    (folder / "b/c").write_text(inputs.machine)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder for the output, in a project with an initrd."""
    monkeypatch.chdir(tmp_path)
    Path("extensions").mkdir()
    Path("initrd").write_text("i")
    Path("out").mkdir()
    return tmp_path / "out"


def write(folder: Path, code: str = CODE) -> None:
    """Have the output `one` of an extension with `code` make its files. Raises ConfigError."""
    Path("extensions/dog.py").write_text(code)
    Path("c.yaml").write_text("name: x\nextensions:\n  dog:\n")
    added = registry.outputs(loader.load(Path("c.yaml")).machine)["one"]
    registry.write(added, Inputs(added.output, "x", {"initrd": Path("initrd")}, {}), folder)


def test_it_writes_its_files(folder: Path) -> None:
    write(folder)
    assert (folder / "a").read_text() == "i"
    assert (folder / "b/c").read_text() == "x"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            ".initrd.",
            ".vmlinuz.",
            r'extensions/dog\.py:8: the output one reads vmlinuz, .*add "vmlinuz" to its needs',
        ),
        (
            ".initrd.",
            ".squashfs.",
            r'the output one reads root\.squashfs, .*add "root\.squashfs" to its needs',
        ),
        ("inputs.machine", "inputs.toplevel", 'the output one reads toplevel, .*add "toplevel" to its needs'),
        (
            "inputs.machine",
            "inputs.command_line",
            "the output one reads command_line, which it does not declare",
        ),
        ("inputs.machine", "inputs.tool('a', 'b')[0]", 'the output one reads a, .*add "a" to its tools'),
        ("inputs.machine", "inputs.nothing", r"extensions/dog\.py:9: AttributeError: "),
        ('(folder / "a").write', '(folder / "d").write', "the output one: a was not written"),
        ('/ "b/c")', '/ "b/d")', "the output one: b/c was not written"),
        (', "b/c")', ",)", "the output one: b/c was written and is not in its files"),
        (
            '"b/c").write_text(inputs.machine)',
            '"b/c").symlink_to("a")',
            "the output one: b/c is not a regular file",
        ),
        ('"b/c").write_text(inputs.machine)', '"b/c").mkdir()', "the output one: b/c was not written"),
    ],
)
def test_what_is_wrong(folder: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        write(folder, CODE.replace(old, new, 1))
    assert caught.value.keys == ("extensions", "dog")


def test_inputs_give_what_is_declared() -> None:
    output = Output(name="a", doc="a", files=("a",), needs=("vmlinuz", "toplevel"), write=write)
    inputs = Inputs(output, "x", {"vmlinuz": Path("v"), "toplevel": "/nix/store/t"}, {})
    assert (inputs.vmlinuz, inputs.toplevel, inputs.machine) == (Path("v"), "/nix/store/t", "x")


@pytest.mark.parametrize("name", ["runvm", "boot-report", "system-path", "list", "build", "help"])
def test_a_name_that_a_task_or_command_has(folder: Path, name: str) -> None:
    Path("extensions/dog.py").write_text(CODE.replace('"one"', f'"{name}"'))
    Path("config.yaml").write_text("name: x\nextensions:\n  dog:\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "notos", "list"],
        env={**clean_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    first, *excerpt = (done.stdout + done.stderr).splitlines()
    assert first == (
        f"ERROR: config.yaml:3: extensions/dog.py gives the output {name}, "
        "which is the name of another task or command: name it otherwise"
    )
    assert len(excerpt) == 2

"""examples/extension in a folder elsewhere: built by the command notos, and booted (docs/extending.md)."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import RAN, ROOT, clean_environment
from tests.docs.pages import blocks
from tests.this_host import slowed

EXAMPLE = ROOT / "examples/extension"
OUTPUT = "boot-files"
FILES = {"vmlinuz", "initrd", "root.squashfs", "cmdline", "SHA256SUMS"}


@dataclass(frozen=True)
class Extended:
    """A copy of the example."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "build/watched"

    def notos(self, *words: str, fails: bool = False) -> str:
        """Run the command notos in it; what it prints."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "notos", *words],
            cwd=self.root,
            env={**clean_environment(), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def ran(self, *words: str) -> list[str]:
        """Run it; the tasks that ran, in order."""
        lines = self.notos(*words).splitlines()
        return [found[1] for found in map(RAN.match, lines) if found]

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def hashes(self) -> Mapping[str, str]:
        """sha256 of the machine's files and of the output's."""
        found = [self.folder / name for name in ("vmlinuz", "vmlinux", "initrd", "root.squashfs")]
        found += [each for each in sorted((self.folder / "outputs").rglob("*")) if each.is_file()]
        return {str(each.relative_to(self.root)): _sha256(each) for each in found}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copy(root: Path) -> Extended:
    ignored = shutil.ignore_patterns("build", "result", "*.lock", "__pycache__", ".*")
    shutil.copytree(EXAMPLE, root, ignore=ignored)
    return Extended(root)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """Return the machine and its output, built."""
    made = copy(tmp_path_factory.mktemp("extended") / "project")
    made.notos("build")
    assert made.ran(OUTPUT) == [OUTPUT]
    return made


def test_the_page_shows_the_example() -> None:
    """Each file that it shows has one line more than the example's, its path."""
    shown = {each.path: each.text for each in blocks(ROOT / "docs/extending.md") if each.path}
    files = {
        each.relative_to(EXAMPLE).as_posix(): each
        for each in EXAMPLE.glob("extensions/**/*")
        if each.is_file()
    }
    assert shown.keys() == files.keys()
    for path, text in shown.items():
        assert text.replace(f"# {path}\n", "").strip() == files[path].read_text().strip()


def test_it_boots_and_the_setting_is_in_effect(extended: Extended, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(extended.folder / "runvm.sh")
    machine.wait_for_unit("watchdog", steady=slowed(2))
    assert machine.succeed("cat /etc/watchdog.conf") == "timeout=20\n"
    assert " soft_panic=1 " in machine.succeed("dmesg | grep softdog")
    assert machine.succeed("cat /sys/class/watchdog/watchdog0/identity") == "Software Watchdog\n"
    assert machine.succeed("cat /sys/class/watchdog/watchdog0/state") == "active\n"
    assert machine.succeed("cat /sys/class/watchdog/watchdog0/timeout") == "20\n"


def test_the_output_s_files(extended: Extended) -> None:
    folder = extended.folder / "outputs" / OUTPUT
    assert {each.name for each in folder.iterdir()} == FILES
    for name in ("vmlinuz", "initrd", "root.squashfs"):
        assert (folder / name).read_bytes() == (extended.folder / name).read_bytes()
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True)
    (kernel_params,) = re.findall(
        r"^kernelParams='?([^'\n]*)", (extended.folder / "runvm.sh").read_text(), re.M
    )
    assert (folder / "cmdline").read_text() == f"{kernel_params}\n"


def test_the_output_is_a_task_like_others(extended: Extended) -> None:
    assert f"{OUTPUT}           copy kernel, initrd and root" in extended.notos("list")
    assert "copy kernel, initrd and root" in extended.notos("help", OUTPUT)
    assert extended.notos("why", OUTPUT) == "nothing would run\n"
    assert extended.ran(OUTPUT) == []
    made = extended.folder / "outputs" / OUTPUT
    (made / "cmdline").write_text("damaged")
    assert f"{made.relative_to(extended.root)}/cmdline was changed" in extended.notos("why", OUTPUT)
    assert extended.ran(OUTPUT) == [OUTPUT]
    before = extended.hashes()
    extended.notos("clean", OUTPUT)
    assert not made.exists() or not list(made.iterdir())
    assert extended.ran(OUTPUT) == [OUTPUT]
    assert extended.hashes() == before


def test_from_nothing_the_bytes_are_the_same(extended: Extended, tmp_path: Path) -> None:
    """In another folder, by another umask, with the same lock."""
    other = copy(tmp_path / "a deeper/folder/project")
    shutil.copyfile(extended.root / "config.lock", other.root / "config.lock")
    before = os.umask(0o077)
    try:
        other.notos("build")
        other.notos(OUTPUT)
    finally:
        os.umask(before)
    assert other.hashes() == extended.hashes()
    modes = [each.stat().st_mode & 0o777 for each in (other.folder / "outputs" / OUTPUT).iterdir()]
    assert modes == [0o644] * len(FILES)


CODE = "extensions/watchdog/__init__.py"


@pytest.mark.parametrize(
    ("path", "old", "new", "runs"),
    [
        ("config.yaml", "seconds: 20", "seconds: 30", ["toplevel", "squashfs", "runvm", OUTPUT]),
        ("config.yaml", "boot_files: ", "boot_files: {params: [debug]} ", [OUTPUT]),
        ("config.yaml", "panic: true", "panic: false", ["runit", "toplevel"]),
        (
            CODE,
            "timeout={settings.seconds}",
            "timeout={settings.seconds + 1}",
            ["toplevel", "squashfs", "runvm", OUTPUT],
        ),
        (CODE, "A watchdog:", "The watchdog:", []),
        ("extensions/watchdog/boot/80-watchdog", "modprobe ", "modprobe -q ", ["runit", "toplevel"]),
        ("extensions/watchdog/service/run", "-F ", "-F  ", ["runit", "toplevel"]),
        (
            "extensions/boot_files.py",
            "sorted(folder.iterdir())",
            "sorted(folder.iterdir(), reverse=False)",
            [OUTPUT],
        ),
    ],
)
def test_what_runs_after_an_edit(extended: Extended, path: str, old: str, new: str, runs: list[str]) -> None:
    """The edit is made undone, which gives the old bytes."""
    file, before = extended.root / path, extended.hashes()
    text = file.read_text()
    extended.edit(path, old, new)
    words = ["toplevel"] if runs[-1:] == ["toplevel"] else ["runvm", OUTPUT]
    try:
        assert extended.ran(*words) == runs
    finally:
        file.write_text(text)
    assert (extended.ran(*words) == []) == (runs == [])
    assert extended.hashes() == before


COMPUTED = """\
from notos.features.model import Computed, EtcFile, Feature
from .texts import count

def feature(machine, settings):
    return Feature(etc=(EtcFile(path="count", content=Computed(count, {"word": "bin"})),))
"""
TEXTS = """\
def count(system, word):
    return f"{word} {sum(path.startswith(word) for path, _ in system.items()) > 0}"
"""


def test_the_code_of_a_computed_file(extended: Extended) -> None:
    """An edit in any module of the extension reaches the file."""
    folder = extended.root / "extensions/counted"
    folder.mkdir()
    (folder / "__init__.py").write_text(COMPUTED)
    (folder / "texts.py").write_text(TEXTS)
    config = (extended.root / "config.yaml").read_text()
    extended.edit("config.yaml", "extensions:\n", "extensions:\n  counted:\n")
    try:
        assert extended.ran("toplevel") == ["toplevel"]
        assert _etc(extended, "count") == "bin True"
        extended.edit("extensions/counted/texts.py", "{word} ", "{word}: ")
        assert extended.ran("toplevel") == ["toplevel"]
        assert _etc(extended, "count") == "bin: True"
    finally:
        (extended.root / "config.yaml").write_text(config)
    assert extended.ran("toplevel") == ["toplevel"]


def _etc(extended: Extended, name: str) -> str:
    manifest = json.loads((extended.folder / "manifests/toplevel.json").read_bytes())
    return (extended.folder / "store" / Path(manifest["path"]).name / "etc" / name).read_text()


TOOL = """\
import subprocess
from notos.config.model import Package
from notos.features.model import Feature
from notos.outputs.model import Output

def feature(machine, settings):
    return Feature(tools={"squeeze": (Package(name="lz4"),)})

def outputs(machine, settings):
    return [Output(name="squeezed", doc="x", files=("a/initrd.lz4",), needs=("initrd",), tools=("squeeze",),
                   write=write)]

def write(inputs, folder):
    (folder / "a").mkdir()
    with (folder / "a/initrd.lz4").open("wb") as stream:
        subprocess.run([*inputs.tool("squeeze", "lz4"), "-c", inputs.initrd], stdout=stream, check=True)
"""


def test_a_tool_of_an_output(extended: Extended) -> None:
    """A program of Debian's, which the lock gets; it is no part of the machine."""
    (extended.root / "extensions/squeezed.py").write_text(TOOL)
    before = extended.hashes()
    config = (extended.root / "config.yaml").read_text()
    extended.edit("config.yaml", "extensions:\n", "extensions:\n  squeezed:\n")
    try:
        ran = extended.ran("squeezed")
        assert {"lock", "tools:squeeze", "squeezed"} <= {*ran}
        data = (extended.folder / "outputs/squeezed/a/initrd.lz4").read_bytes()
        assert data.startswith(b"\x04\x22\x4d\x18")
        assert "lz4" in (extended.root / "config.lock").read_text()
        assert before.items() <= extended.hashes().items()
    finally:
        (extended.root / "config.yaml").write_text(config)


SHIFTING = """\
from dataclasses import dataclass
from notos.errors import NotosError
from notos.config.model import RelativePath, setting
from notos.outputs.model import Output

@dataclass(frozen=True)
class Settings:
    files: tuple[RelativePath, ...] = setting("the files", ())
    fails: bool = setting("fail after the first file", False)

def outputs(machine, settings):
    return [Output(name="shifting", doc="x", files=settings.files, needs=(), write=write,
                   arguments={"files": settings.files, "fails": settings.fails})]

def write(inputs, folder, files, fails):
    for each in files:
        (folder / each).parent.mkdir(exist_ok=True)
        (folder / each).write_text(f"{each} of {len(files)}")
        if fails:
            raise NotosError("no more")
"""


def test_an_output_s_folder_is_that_of_its_last_success(extended: Extended) -> None:
    """A run removes old files, also where a file becomes a folder; a failed run changes nothing."""
    (extended.root / "extensions/shifting.py").write_text(SHIFTING)
    config = (extended.root / "config.yaml").read_text()
    folder = extended.folder / "outputs/shifting"

    def made(settings: str, *, fails: bool = False) -> dict[str, str]:
        text = config.replace("extensions:\n", f"extensions:\n  shifting: {settings}\n")
        (extended.root / "config.yaml").write_text(text)
        extended.notos("shifting", fails=fails)
        assert {each.name for each in folder.parent.iterdir()} >= {"shifting", OUTPUT}
        assert not [*folder.parent.glob(".*")]
        return {
            str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()
        }

    try:
        assert made("{files: [a, b/c]}") == {"a": "a of 2", "b/c": "b/c of 2"}
        shifted = {"a/d": "a/d of 2", "b": "b of 2"}
        assert made("{files: [a/d, b]}") == shifted
        assert made("{files: [b, c], fails: true}", fails=True) == shifted
        assert made("{files: [b]}") == {"b": "b of 1"}
    finally:
        (extended.root / "config.yaml").write_text(config)
    extended.notos("gc")
    assert {each.name for each in folder.parent.iterdir()} == {OUTPUT}

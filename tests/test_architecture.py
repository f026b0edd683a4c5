"""An architecture's names stand in one module, and everything else takes them from its value."""

import ctypes
import re
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from notos import architecture, loader
from notos.architecture import AMD64, Architecture
from notos.config.model import Kernel, KernelSource, Machine, PackageName, Vm
from notos.debian import similar_names
from notos.errors import ConfigError
from notos.features import registry
from notos.formats import elf
from notos.kernel import kconfig, vmlinux
from notos.live.ssh_key import Keys
from notos.outputs.qemu import script
from notos.outputs.qemu.command_line import command_line
from notos.process import run
from notos.store.store import StoreObject
from notos.system import contents
from notos.toolchain.tools_tree import ToolsTree
from notos.vm.artefacts import Artefacts
from tests.conftest import Project
from tests.other_architecture import OTHER

ROOT = Path(__file__).resolve().parents[1]
NAMES = re.compile(r"x86[-_]64|amd64|i[3-6]86|aarch64|arm64|ld-linux|ttyS0", re.IGNORECASE)
PLACES = ("notos", "tasks", "scripts", "runit", "kernel", "doit", "dodo.py")
# Where one of these names may stand, and how often.
ALLOWED = {
    ("notos/config/setting.py", "AMD64"): 2,  # the module that chooses the target: its import and one use
    # It runs before there is a Python: the condition and its message.
    ("doit", "x86_64"): 1,
    ("doit", "x86-64"): 1,
}
PER_LINUX32 = 0x0008  # personality(2): uname(2) says i686


def sources() -> list[Path]:
    found = [path for place in PLACES for path in [ROOT / place, *(ROOT / place).rglob("*")]]
    return [
        path
        for path in found
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".asc"  # keys, in base64
    ]


def test_its_names_stand_nowhere_else() -> None:
    found: Counter[tuple[str, str]] = Counter()
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        if name != "notos/architecture.py":
            found.update((name, match) for match in NAMES.findall(path.read_text()))
    assert found == ALLOWED


def test_the_search_can_find_something() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in sources()}
    assert {"notos/architecture.py", "scripts/stage1/init", "scripts/runvm.sh", "runit/1", "doit"} <= names
    assert len(NAMES.findall((ROOT / "notos/architecture.py").read_text())) > 10


def test_one_module_chooses() -> None:
    """No other module imports an architecture; who needs one takes it as an argument."""
    values = {name for name, value in vars(architecture).items() if isinstance(value, Architecture)}
    imported = re.compile(rf"\b(?:{'|'.join(values)})\b")
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if path.suffix == ".py" and imported.search(path.read_text())
    }
    assert users == {"notos/architecture.py", "notos/config/setting.py"}
    hosts = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if path.suffix == ".py" and "architecture.host()" in path.read_text()
    }
    assert hosts == {"tasks/config.py", "notos/vm/artefacts.py"}


def test_every_machine_type_of_the_config_is_known() -> None:
    assert set(get_args(get_type_hints(Vm)["machine"])) == set(AMD64.machine_types)


def test_this_computer() -> None:
    assert architecture.host() == AMD64


def test_a_computer_of_another_kind(built: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tasks", "list"],
        cwd=built.root,
        env={
            "PYTHONPATH": str(built.root),
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "NOTOS_CACHE": "/tmp",
        },
        preexec_fn=lambda: ctypes.CDLL(None).personality(PER_LINUX32),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.strip() == "ERROR: Notos runs on Linux on x86-64 only; this is i686"


# The facts, by the programs and packages that they are about.


def test_debian_s_packages(built: Project) -> None:
    tree = Artefacts.at(built.root / "build/notos").tools
    assert tree.loader.is_file()
    assert tree.libraries.is_dir()
    program = elf.parse((tree.root / f"usr/bin/{AMD64.qemu}").read_bytes())
    assert program is not None
    assert (program.kind, program.interpreter) == (AMD64.elf, AMD64.loader)
    said = run([str(tree.loader), "--help"]).decode()  # where ld.so looks by default
    listed = re.findall(r"^  /(\S+) \(system search path\)", said, re.MULTILINE)
    merged = [path if path.startswith("usr/") else f"usr/{path}" for path in listed]
    assert tuple(dict.fromkeys(merged)) == AMD64.library_folders
    assert all((tree.root / folder).is_dir() for folder in AMD64.qemu_data)


def test_qemu_has_its_machines_and_its_processor(built: Project) -> None:
    qemu = Artefacts.at(built.root / "build/notos").tools.command(AMD64.qemu)
    machines = run([*qemu, "-machine", "help"]).decode()
    for each in AMD64.machine_types.values():
        name, *options = each.options.split(",")
        assert re.search(rf"^{name} ", machines, re.MULTILINE)
        known = run([*qemu, "-machine", f"{name},help"]).decode()
        assert all(f"  {option.partition('=')[0]}=<" in known for option in options)
    model, *flags = AMD64.qemu_cpu.split(",")
    said = run([*qemu, "-cpu", "help"]).decode()
    assert re.search(rf"\b{model}\b", said)
    assert {flag.lstrip("-") for flag in flags} <= set(said.split())


def test_the_kernel(built: Project) -> None:
    folder = built.root / "build/notos"
    symbols = kconfig.symbols((folder / "kernel.config").read_text())
    assert symbols[AMD64.console_symbol] == "y"
    assert (symbols.get("PVH") == "y") == AMD64.pvh
    inside = elf.parse((folder / "vmlinux").read_bytes())
    assert inside is not None
    assert inside.kind == AMD64.elf
    assert inside.kind[0] * 32 == AMD64.bits


# Another architecture, as far as nothing has to be run.


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return the default machine, of another architecture."""
    monkeypatch.setattr(Machine, "target", OTHER)
    return loader.load(ROOT / "config.yaml").machine


def test_the_tools_are_the_build_s_and_qemu_the_target_s(other: Machine) -> None:
    kernel = Kernel(source=KernelSource(package=PackageName("linux-source-6.12")))
    machine = replace(other, kernel=kernel)
    features = registry.features(machine)
    sets = contents.requests(machine, features, AMD64)
    assert sets["tools/qemu"]["qemu-system-misc"].only == ("usr/bin/qemu-system-other",)
    assert "other-firmware" in sets["tools/qemu"]
    assert not {*AMD64.qemu_packages} & {*sets["tools/qemu"]}
    assert sets["tools/kernel"]["gcc-other-linux-gnu"].closure == "depends"
    assert "gcc-other-linux-gnu" not in contents.requests(machine, features, OTHER)["tools/kernel"]


def test_runvm_is_the_target_s(other: Machine, built: Project, tmp_path: Path) -> None:
    toplevel = StoreObject.from_json((built.root / "build/notos/manifests/toplevel.json").read_bytes())
    tree = ToolsTree(Path("/tools"), replace(OTHER, loader="/lib/ld-build.so", gnu="build-linux-gnu"))
    text = script.render(other, registry.features(other), toplevel, tree, Keys(tmp_path, tmp_path))
    lines = text.splitlines()
    for line in (
        "longest=511",
        "machine=other-machine,iommu=off",
        "emulatedCpu=other-cpu",
        "kvmFlags=otherflag",
        "qemuLoader=/tools/usr/lib/ld-build.so",
        "qemuLibraries=/tools/usr/lib/build-linux-gnu",
        "qemuProgram=usr/bin/qemu-system-other",
        "qemuData=usr/share/other-firmware",
    ):
        assert line in lines
    for each in fields(Architecture):
        value = getattr(AMD64, each.name)
        if isinstance(value, str) and len(value) > 3:
            assert value not in text, each.name
    words = command_line(other, registry.features(other)).always
    assert words[0] == "console=ttyOTHER"
    assert words[-1] == "otherparam=1"
    small = replace(other, vm=Vm(machine="microvm"))
    assert command_line(small, registry.features(small)).longest == 411


def test_the_kernel_needs_the_target_s_console(other: Machine) -> None:
    needs = {each.symbol: each.why for each in registry.features(other).requirements}
    assert needs["SERIAL_OTHER_CONSOLE"] == "for the console on ttyOTHER"
    assert AMD64.console_symbol not in needs


def test_only_a_kernel_with_pvh_is_unpacked(built: Project) -> None:
    packed = (built.root / "build/notos/vmlinuz").read_bytes()
    assert vmlinux.uncompressed(packed, AMD64)
    assert vmlinux.uncompressed(packed, replace(AMD64, pvh=False)) is None


def test_names_that_were_meant_are_the_target_s() -> None:
    found = similar_names.meant("linux", ["linux-image-other"], (), lambda _: 0, OTHER)
    assert found == ["linux-image-other"]


@pytest.mark.parametrize("base", ["tinyconfig", "defconfig", *AMD64.defconfigs])
def test_a_kernel_starts_from_the_architecture_s_configurations(tmp_path: Path, base: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"name: x\nkernel: {{source: linux-source-6.12, base: {base}}}\n")
    assert loader.load(config).machine.kernel.base == base


def test_another_architecture_s_configuration_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"name: x\nkernel: {{source: linux-source-6.12, base: {OTHER.defconfigs[0]}}}\n")
    with pytest.raises(ConfigError, match="other_defconfig does not exist"):
        loader.load(config)

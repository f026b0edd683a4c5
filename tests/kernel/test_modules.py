"""Kernel modules: made-up ones and those of the built machine's kernel."""

import json
import lzma
from dataclasses import replace
from pathlib import Path

import pytest

from notos import loader
from notos.architecture import AMD64
from notos.config.model import Kernel, Machine, MachineName, ModuleName, Vm
from notos.errors import KernelError
from notos.features import base, registry, virtual_machine
from notos.formats.tree import File, Tree
from notos.kernel import kconfig, requirements
from notos.kernel import package as kernels
from notos.kernel.modules import Modules, shrink
from tests.conftest import Project, Tool
from tests.elf_builder import module

RELEASE = "6.1.2+test"
TOP = f"lib/modules/{RELEASE}"


def tree_of(**modules: bytes) -> Tree:
    tree = Tree()
    for name, data in modules.items():
        tree.file(f"{TOP}/kernel/{name}.ko.xz", lzma.compress(data))
    tree.text(f"{TOP}/modules.builtin", "kernel/drivers/virtio/virtio-pci.ko\n")
    tree.text(f"{TOP}/modules.builtin.modinfo", "crc32c.alias=crypto-crc32c\0virtio_pci.license=GPL\0")
    tree.text(f"{TOP}/modules.order", "")
    return tree


def test_dependencies_come_first_and_once() -> None:
    opened = Modules(
        tree_of(a=module(depends="b,c"), b=module(depends="d"), c=module(depends="d"), d=module(depends=""))
    )
    closure = opened.closure(["a", "c", "virtio_pci"])
    order = {name: [path.split("/")[-1].split(".")[0] for path in files] for name, files in closure.order}
    assert order == {"a": ["d", "b", "c", "a"], "c": [], "virtio_pci": []}
    assert closure.release == RELEASE


def test_soft_dependencies_and_aliases() -> None:
    opened = Modules(
        tree_of(
            a=module(softdep="pre: crypto-x crypto-crc32c nowhere post: z"),
            x=module(alias=["crypto-x", "pci:*"]),
            z=module(),
        )
    )
    ((_, files),) = opened.closure(["a"]).order
    assert [path.split("/")[-1] for path in files] == ["x.ko.xz", "a.ko.xz", "z.ko.xz"]


def test_circular_soft_dependencies() -> None:
    opened = Modules(tree_of(a=module(softdep="pre: b"), b=module(softdep="post: a")))
    ((_, files),) = opened.closure(["a"]).order
    assert len(files) == 2


def test_an_unknown_module_gets_a_suggestion() -> None:
    with pytest.raises(KernelError, match=r"has no module virtio_ent: did you mean virtio_net"):
        Modules(tree_of(**{"virtio-net": module()})).closure(["virtio_ent"])


def test_the_shrunk_tree_has_an_index_and_firmware(tool: Tool) -> None:
    opened = Modules(
        tree_of(a=module(depends="b", firmware="a.fw"), b=module(firmware="none.fw"), c=module())
    )
    firmware = Tree()
    firmware.text("usr/lib/firmware/a.fw", "firmware")
    tree = shrink(opened, opened.closure(["a"]), tool("depmod"), firmware=firmware)
    assert {path for path, _ in tree.items() if path.endswith(".ko")} == {
        f"{TOP}/kernel/a.ko",
        f"{TOP}/kernel/b.ko",
    }
    index = tree.get(f"{TOP}/modules.dep")
    assert isinstance(index, File)
    assert "kernel/a.ko:" in index.read().decode()
    load = tree.get("lib/modules/load")
    assert isinstance(load, File)
    assert load.read() == b"a kernel/b.ko kernel/a.ko\n"
    assert "lib/firmware/a.fw" in tree
    assert "lib/firmware/none.fw" not in tree


def test_the_load_order_agrees_with_depmod(built: Project, tool: Tool) -> None:
    """The order from .modinfo agrees with depmod's index for the built machine."""
    path = json.loads((built.root / "build/notos/manifests/modules.json").read_text())["path"]
    folder = built.root / "build/notos/store" / Path(path).name / "lib/modules"
    (release,) = [each for each in folder.iterdir() if each.is_dir()]
    needs = {}
    for line in (release / "modules.dep").read_text().splitlines():
        name, _, rest = line.partition(":")
        needs[name] = set(rest.split())
    seen: set[str] = set()
    for line in (folder / "load").read_text().splitlines():
        for file in line.split()[1:]:
            assert needs[file] <= seen, file
            seen.add(file)
    assert seen == set(needs)


def test_missing_symbols_are_reported_at_once() -> None:
    symbols = kconfig.symbols("CONFIG_SQUASHFS=m\nCONFIG_PROC_FS=y\n# CONFIG_X is not set\n")
    assert symbols == {"SQUASHFS": "m", "PROC_FS": "y"}
    with pytest.raises(KernelError) as caught:
        requirements.check(symbols, base.REQUIREMENTS)
    assert "CONFIG_OVERLAY_FS=n" in caught.value.message
    assert "CONFIG_TMPFS=n" in caught.value.message
    assert "SQUASHFS=" not in caught.value.message
    # Each symbol is a separate part of the error, with the config key that causes it.
    assert {each.keys for each in caught.value.parts} == {("kernel", "package")}
    with pytest.raises(KernelError) as caught:
        microvm = Machine(name=MachineName("x"), vm=Vm(machine="microvm"))
        requirements.check({}, virtual_machine.feature(microvm).requirements)
    assert {each.keys for each in caught.value.parts} == {("vm", "machine")}


def test_requirements_follow_the_features() -> None:
    plain = Machine(name=MachineName("x"), kernel=Kernel(modules=(ModuleName("a"),)))
    symbols = {each.symbol for each in registry.features(plain).requirements}
    assert "SQUASHFS_ZSTD" in symbols
    assert "USER_NS" not in symbols
    assert "VIRTIO_PCI" in symbols
    assert not {"VIRTIO_MMIO", "SMP"} & symbols
    micro = replace(plain, vm=Vm(machine="microvm", cpus=2))
    symbols = {each.symbol for each in registry.features(micro).requirements}
    assert {"VIRTIO_MMIO", "FW_CFG_SYSFS_CMDLINE", "SMP"} <= symbols
    assert "VIRTIO_PCI" not in symbols


EVERY = (
    "ACPI VIRTIO_PCI VIRTIO_MMIO VIRTIO_BLK VIRTIO_NET SQUASHFS OVERLAY_FS EXT4_FS BLK_DEV_LOOP FW_CFG_SYSFS"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "virtio_pci virtio_blk squashfs overlay virtio_net"),
        ("network: none", "virtio_pci virtio_blk squashfs overlay"),
        ("disk: 1G", "virtio_pci virtio_blk squashfs overlay virtio_net ext4"),
        ("disk: 1G\nnix: {enable: true}", "virtio_pci virtio_blk squashfs overlay virtio_net ext4 loop"),
        ("vm: {machine: microvm}", "virtio_mmio virtio_blk squashfs overlay virtio_net"),
    ],
)
def test_needed_modules_are_implied(tmp_path: Path, text: str, wanted: str) -> None:
    """Implied modules: those that the kernel has as modules and the running system does not load itself."""
    (tmp_path / "c.yaml").write_text(f"name: x\n{text}\n")
    needs = registry.features(loader.load(tmp_path / "c.yaml").machine).requirements
    assert requirements.implied(dict.fromkeys(EVERY.split(), "m"), needs) == wanted.split()
    assert requirements.implied(dict.fromkeys(EVERY.split(), "y"), needs) == []
    some = {"SQUASHFS": "m", "OVERLAY_FS": "y", "VIRTIO_BLK": "m"}
    assert requirements.implied(some, needs) == ["virtio_blk", "squashfs"]


def test_a_generated_signing_key_is_refused() -> None:
    made = {"MODULE_SIG": "y", "MODULE_SIG_KEY": '"certs/signing_key.pem"'}
    with pytest.raises(KernelError, match="no two builds are the same"):
        requirements.check_signed(made)
    requirements.check_signed(made | {"MODULE_SIG_KEY": '"/key.pem"'})
    requirements.check_signed({})


def test_versions() -> None:
    assert kernels.version("6.12.117+deb13-cloud-amd64") == "6.12.117"


@pytest.mark.parametrize(
    ("vmlinuz", "config"),
    [("boot/vmlinuz-7.2", "boot/config-7.2"), ("usr/lib/modules/7.2/vmlinuz", "usr/lib/modules/7.2/config")],
)
def test_the_files_of_a_kernel_package(vmlinuz: str, config: str) -> None:
    """Since Linux 7, they stand beside the modules."""
    given = Tree()
    for path in (vmlinuz, config, "usr/lib/modules/7.2/System.map", "usr/lib/modules/7.2/kernel/config/a.ko"):
        given.text(path, path)
    shaped = kernels.shape(given, AMD64)
    found = {path: entry.read().decode() for path, entry in shaped.items() if isinstance(entry, File)}
    assert found == {
        "vmlinuz": vmlinuz,
        "config": config,
        "lib/modules/7.2/kernel/config/a.ko": "usr/lib/modules/7.2/kernel/config/a.ko",
    }

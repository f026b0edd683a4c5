"""Kernel modules by purpose: the table, and its patterns on the modules of Debian's kernel."""

from pathlib import Path
from typing import get_args

import pytest

from notos import loader
from notos.config.model import Purpose
from notos.features import registry
from notos.kernel import purposes
from notos.kernel.modules import Modules
from notos.store.store import Store, StoreObject
from tests.conftest import Project

PATHS = {
    "nf_tables": "kernel/net/netfilter/nf_tables.ko.xz",
    "nft_masq": "kernel/net/netfilter/nft_masq.ko.xz",
    "xt_mark": "kernel/net/netfilter/xt_mark.ko",
    "wireguard": "kernel/drivers/net/wireguard/wireguard.ko.zst",
    "loop": "kernel/drivers/block/loop.ko",
}


def test_the_config_has_the_names() -> None:
    assert get_args(Purpose) == tuple(purposes.PURPOSES)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ([], []),
        (["nftables"], ["nf_tables", "nft_masq"]),
        (["iptables"], ["nf_tables", "nft_masq", "xt_mark"]),
        (["wireguard", "nftables"], ["nf_tables", "nft_masq", "wireguard"]),
        (["all"], sorted(PATHS)),
    ],
)
def test_modules(chosen: list[str], found: list[str]) -> None:
    assert purposes.modules(PATHS, chosen) == found


def test_packages_that_need_a_purpose() -> None:
    def wanting(packages: list[str], *present: str) -> dict[str, str]:
        return purposes.wanting(packages, lambda name: name in present)

    assert wanting(["nftables", "bash", "wireguard-tools"]) == {
        "nftables": "nftables",
        "wireguard-tools": "wireguard",
    }
    assert wanting(["nftables"], "nf_tables") == {}
    assert wanting(["iptables"], "nf_tables") == {"iptables": "iptables"}


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("cifs-utils", "cifs"),
        ("nfs-common", "nfs"),
        ("nfs-kernel-server", "nfsd"),
        ("open-iscsi", "iscsi_tcp"),
        ("ipset", "ip_set"),
        ("mdadm", "md_mod"),
        ("lvm2", "dm_mod"),
    ],
)
def test_a_package_needs_its_own_modules_alone(package: str, module: str) -> None:
    assert purposes.wanting([package], lambda name: name == module) == {}
    assert purposes.wanting([package], lambda _: False).keys() == {package}


def test_file_systems_of_servers_have_the_modules_of_their_packages(tmp_path: Path) -> None:
    """`mounts` lists the package and the modules, and no purpose."""
    config = tmp_path / "c.yaml"
    for device in ("//nas/share", "nas:/export"):
        config.write_text(f"name: x\nmounts: {{/s: {{device: '{device}'}}}}\n")
        features = registry.features(loader.load(config).machine)
        modules = {each.module for each in features.requirements}
        packages = [each.name for each in features.packages if purposes.serves(each.name)]
        assert packages
        assert purposes.wanting(packages, modules.__contains__) == {}


def test_the_kernel_for_virtual_machines_serves_what_it_can(built: Project) -> None:
    """It has no drivers for real hardware; the patterns match something for every other purpose."""
    store = Store(built.root / "build/notos/store")
    manifest = built.root / "build/notos/manifests/kernel.json"
    kernel = Modules(store.tree(StoreObject.from_json(manifest.read_bytes())))
    hardware = {"bluetooth", "screen", "sound", "usb", "virtual_machines", "wireless"}
    for name, each in purposes.PURPOSES.items():
        if name not in hardware:
            assert purposes.modules(kernel.paths, [name]), name
            assert [module for module in each.needed if not kernel.has(module)] == []

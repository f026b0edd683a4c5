"""udev: in machines with drivers for devices that appear at run time, and in those whose config names it."""

from pathlib import Path

import pytest

from notos import loader
from notos.config.model import PackageName
from notos.features import registry


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("kernel: {for: [input]}", True),
        ("kernel: {for: [nftables, sound]}", True),
        ("kernel: {for: all}", True),
        ("system: {packages: [udev]}", True),
        ("services: {a: {run: exec a, packages: [udev]}}", True),
        ("boot: {a: {run: a, packages: [udev]}}", True),
        ("boot: {a: {run: a, when: pre-mount, packages: [udev]}}", False),
        ("timers: {a: {run: a, every: day, packages: [udev]}}", True),
        ("kernel: {for: [wireguard, containers]}", False),
        ("hostname: a", False),
    ],
)
def test_machines_with_udev(text: str, has: bool, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"name: x\n{text}\n")
    machine = loader.load(path).machine
    features = registry.features(machine)
    assert ("udev" in {each.name for each in features.services}) == has
    packages = [each.name for each in (*machine.system.packages, *features.packages)]
    assert packages.count(PackageName("udev")) == has

"""The setuid programs that a config selects: those of packages in any of its keys, and sudo for accounts."""

from pathlib import Path

import pytest

from notos import loader
from notos.features import setuid


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("hostname: a", {}),
        ("system: {packages: [ping, mount]}", {"packages": ["mount", "ping"]}),
        ("services: {a: {run: exec a, packages: [cron]}}", {"packages": ["cron"]}),
        ("boot: {a: {run: a, packages: [mount]}}", {"packages": ["mount"]}),
        ("boot: {a: {run: a, packages: [mount], when: pre-mount}}", {}),
        ("timers: {a: {run: a, every: day, packages: [fping]}}", {"packages": ["fping"]}),
        ("users: {a: {sudo: true}, b: {}}", {"packages": ["sudo"]}),
        ("users: {a: {sudo: true}}\nsetuid: []", {"programs": ["sudo"]}),
        ("users: {a: {sudo: true}}\nsetuid: [/usr/bin/sudo, su]", {"programs": ["/usr/bin/sudo", "su"]}),
        ("users: {a: {}}\nsetuid: [su]", {"programs": ["su"]}),
    ],
)
def test_selected(text: str, selected: dict[str, list[str]], tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"name: x\n{text}\n")
    found = setuid.feature(loader.load(path).machine).integration
    assert found.get("setuid", {}) == selected

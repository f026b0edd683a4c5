"""The scripts of the key `boot`: their order, their place in the machine, and what a failure does."""

import subprocess
from pathlib import Path

import pytest

from notos import loader
from notos.errors import ConfigError
from notos.features import boot, registry
from notos.features.model import Feature
from notos.formats.tree import File, Tree
from notos.live.changes import System, between
from notos.system import runit, template
from notos.system.stage1 import add_scripts
from tests.conftest import ROOT, Tool
from tests.this_host import has_ended, wait_until

ORDER = """
boot:
  last: echo last
  20-second: echo second
  3-first: echo first
  wall: {run: "#!/bin/bash\\nexit 1", when: before-network, required: true, timeout: 5, packages: [nftables]}
  hook: {run: exit 1, when: pre-mount, packages: [btrfs-progs]}
  end: {run: exit 1, when: post-boot}
  beside: {run: exit 1, when: with-services}
"""


def of(tmp_path: Path, text: str) -> Feature:
    path = tmp_path / "c.yaml"
    path.write_text(f"name: x\n{text}")
    return boot.feature(loader.load(path).machine)


def test_the_order_and_the_places(tmp_path: Path) -> None:
    found = of(tmp_path, ORDER)
    fragments = [each.path for each in found.scripts if not each.text]
    assert sorted(path for path in fragments if path.startswith("boot/")) == [
        "boot/15-003-wall",
        "boot/30-000-3-first",
        "boot/30-001-20-second",
        "boot/30-002-last",
    ]
    assert [path for path in fragments if not path.startswith("boot/")] == [
        "post-boot/005-end",
        "with-services/006-beside",
    ]
    texts = {each.path: each.text for each in found.scripts if each.text}
    assert texts["scripts/last"] == "#!/bin/sh\necho last\n"
    assert texts["scripts/wall"] == "#!/bin/bash\nexit 1\n"
    assert [each.name for each in found.packages] == ["nftables"]
    assert [each.name for each in found.initrd_packages] == ["btrfs-progs"]


def test_a_hook_of_stage_1_has_the_shell_of_the_initrd(tmp_path: Path) -> None:
    tree = Tree()
    add_scripts(tree, of(tmp_path, ORDER).pre_mount, folder=ROOT / "scripts/stage1", shell="/e/ash")
    script, fragment = tree.get("scripts/hook"), tree.get("pre-mount/004-hook")
    assert isinstance(script, File) and isinstance(fragment, File)
    assert script.read() == b"#!/e/ash\nexit 1\n"
    assert b"name=hook\nrequired=0\ntimeout=0\n" in fragment.read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "boot: {a: {run: x, when: with-services, required: true}}",
            "needs a script for which the boot waits",
        ),
        ('boot: {a: {run: "#!/bin/bash", when: pre-mount}}', "has only busybox's shell"),
        (
            "boot: {a: {run: x, packages: [nginx]}}\nsystem: {packages: [nginx: {closure: elf}]}",
            "boot.a.packages has nginx with other settings than system.packages",
        ),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        of(tmp_path, text)


@pytest.mark.parametrize(
    ("script", "values", "said"),
    [
        ("exit 0", {}, "step on"),
        ("exit 3", {}, "step boot.a failed: status 3\nstep on"),
        ("set -e; false; exit 0", {}, "step boot.a failed: status 1\nstep on"),
        ("exit 3", {"required": 1}, "step required script failed: boot.a: status 3\nstop\nstep on"),
        ("sleep 9", {"timeout": 1}, "step boot.a failed: it ran for more than 1 s\nstep on"),
        (
            "trap 'exit 7' TERM; sleep 9 & wait",
            {"timeout": 1},
            "step boot.a failed: it ran for more than 1 s\nstep on",
        ),
        ("sleep 1; exit 143", {"timeout": 60}, "step boot.a failed: status 143\nstep on"),
    ],
)
def test_a_failure(tmp_path: Path, tool: Tool, script: str, values: dict[str, int], said: str) -> None:
    """In busybox's shell; the stage that sources the fragment goes on."""
    path = tmp_path / "scripts/a"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    text = template.render(
        (ROOT / "runit/own-script").read_text(),
        {"name": "a", "required": 0, "timeout": 0, **values},
        name="a",
    ).replace("/etc/runit/scripts", str(path.parent))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "busybox").write_text(f'#!/bin/sh\nexec {" ".join(tool("busybox"))} "$@"\n')
    (programs / "busybox").chmod(0o755)
    stage = "\n".join(['step() { echo "step $1"; }', "stopBoot() { echo stop; }", text, "step on"])
    done = subprocess.run(
        [*tool("busybox"), "sh", "-c", stage],
        env={"PATH": f"{programs}:/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == said


def test_the_children_of_a_late_script_end(tmp_path: Path, tool: Tool) -> None:
    script = "trap '' TERM; (sleep 60; :) & echo $! >child; sleep 60; sleep 60"
    test_a_failure(
        tmp_path,
        tool,
        f"cd {tmp_path}\n{script}",
        {"timeout": 1},
        "step boot.a failed: it ran for more than 1 s\nstep on",
    )
    child = int((tmp_path / "child").read_text())
    # A killed process ends when it runs next; by itself this one would end after 60 s.
    wait_until(lambda: has_ended(child), "the child outlived its script", seconds=30)


def test_a_switch_lists_changed_scripts_for_the_next_boot(tmp_path: Path) -> None:
    def system(text: str) -> System:
        path = tmp_path / "c.yaml"
        path.write_text(f"name: x\nboot: {text}\n")
        source = Tree.from_directory(ROOT / "runit")
        source.text("step", "", executable=True)
        tree = runit.build(registry.features(loader.load(path).machine), source)
        return System("/nix/store/x", Tree(), tree)

    changes = between(system("{a: echo 1, b: echo 1}"), system("{a: echo 2, b: echo 1, c: echo 1}"), {})
    assert list(changes.at_boot) == ["boot.c", "boot.a"]
    before = system("{a: {run: x}, b: {run: x, when: post-boot, timeout: 5}, c: {run: x}, d: {run: x}}")
    changed = "a: {run: x, required: true}, b: {run: x, when: post-boot}, c: {run: x, when: with-services}"
    after = system(f"{{d: x, {changed}}}")
    assert list(between(before, after, {}).at_boot) == ["boot.a", "boot.b", "boot.c"]
    assert list(between(before, system("{a: {run: x}}"), {}).at_boot) == [
        f"boot.{name} (removed)" for name in "bcd"
    ]

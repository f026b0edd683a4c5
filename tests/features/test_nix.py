"""nix.conf, what the sandbox is made of, the builders' accounts; boot/test_nix.py has Nix judge them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notos import loader
from notos.architecture import AMD64
from notos.config.model import Disk, DiskSize, Machine
from notos.errors import ClosureError
from notos.features import nix
from notos.features.model import Computed
from notos.formats.tree import Tree
from notos.process import run
from notos.system import sysusers
from tests.conftest import ROOT, Project, Tool


@pytest.fixture(scope="module")
def machine() -> Machine:
    return loader.load(ROOT / "config.yaml").machine


@pytest.fixture(scope="module")
def system(built: Project) -> Tree:
    return Tree.from_directory(next((built.root / "build/notos/store").glob("*-system-path")))


def conf(machine: Machine, system: Tree) -> str:
    """Return the machine's nix.conf."""
    (file,) = [each for each in nix.feature(machine).etc if each.path == "nix/nix.conf"]
    assert isinstance(file.content, Computed)
    return file.content.function(system, **file.content.arguments)


def settings(text: str) -> dict[str, str]:
    return dict(map(str.strip, line.split("=", 1)) for line in text.splitlines() if line)  # type: ignore[misc]


def without(tree: Tree, left_out: str) -> Tree:
    rest = Tree()
    for path, entry in tree.items():
        if not path.endswith(left_out):
            rest.add(path, entry)
    return rest


def test_real_nix_reads_it(machine: Machine, system: Tree, tool: Tool, tmp_path: Path) -> None:
    """And it is all as we said: no setting that it does not know, none that it understands otherwise."""
    text = conf(replace(machine, disk=Disk(size=DiskSize("1G"))), system)
    assert "sync-before-registering = true" in text.splitlines()
    (tmp_path / "nix.conf").write_text(text)
    environment = {"NIX_CONF_DIR": str(tmp_path), "HOME": str(tmp_path)}
    said = run([*tool("nix"), "config", "show"], env=environment).decode()
    assert "warning" not in said
    told = settings(said)
    lists = {"experimental-features"}
    for name, value in settings(text).items():
        if name == "max-jobs":
            assert int(told[name]) > 0
        elif name in lists:
            assert set(value.split()) <= set(told[name].split())
        else:
            assert told[name] == value


def test_the_sandbox_has_the_shell_and_its_libraries(machine: Machine, system: Tree) -> None:
    pairs = [each.partition("=") for each in settings(conf(machine, system))["sandbox-paths"].split()]
    assert [target for target, _, _ in pairs] == [
        *("/bin/sh", "/lib64/ld-linux-x86-64.so.2"),
        *("/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libresolv.so.2"),
    ]
    for target, _, source in pairs:
        assert (source or target).removeprefix("/usr/") in system
    with pytest.raises(ClosureError, match=r"bin/busybox needs the library libresolv\.so\.2"):
        conf(machine, without(system, "/libresolv.so.2"))


def test_the_sandbox_has_the_loader_where_the_architecture_s_programs_ask_for_it(
    machine: Machine, system: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(AMD64, loader=f"/elsewhere/{AMD64.loader_name}", gnu="other-linux-gnu")
    monkeypatch.setattr(Machine, "target", other)
    pairs = [each.partition("=") for each in settings(conf(machine, system))["sandbox-paths"].split()]
    assert [target for target, _, _ in pairs] == [
        *("/bin/sh", other.loader),
        *("/usr/lib/other-linux-gnu/libc.so.6", "/usr/lib/other-linux-gnu/libresolv.so.2"),
    ]


def test_what_the_config_says_has_the_last_word(machine: Machine, system: Tree) -> None:
    own: Any = {"substituters": "http://cache.example", "sandbox": False, "cores": 2, "sandbox-paths": ""}
    asked = replace(machine, nix=replace(machine.nix, settings=own))
    told = settings(conf(asked, system))
    assert told["substituters"] == "http://cache.example"
    assert (told["sandbox"], told["cores"], told["sandbox-paths"]) == ("false", "2", "")
    assert told["build-users-group"] == "nixbld"


def test_builders_are_users_of_their_group() -> None:
    made = sysusers.accounts({"nixbld.conf": nix.users(3)}, passwd="", group="")
    assert [line.split(":")[0:4] for line in made.passwd.splitlines()] == [
        [f"nixbld{number}", "x", str(30000 + number), "30000"] for number in (1, 2, 3)
    ]
    assert made.group.splitlines() == ["nixbld:x:30000:nixbld1,nixbld2,nixbld3"]

"""Features of machines: their values, the join, the comparison; every shell file belongs to a feature."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from notos.config.model import (
    Debian,
    Disk,
    DiskSize,
    Machine,
    MachineName,
    Network,
    Nix,
    NixSetting,
    Package,
    PackageName,
    RelativePath,
    Ssh,
    SuiteName,
)
from notos.config.model import EtcFile as ConfigFile
from notos.features import registry
from notos.features.join import join
from notos.features.model import (
    Computed,
    Copy,
    EtcFile,
    Feature,
    Features,
    Folder,
    Link,
    Script,
    Service,
    Text,
)
from tasks import inputs
from tests.conftest import ROOT
from tests.every_machine import DEFAULT, every_machine

LEAST = Machine(name=MachineName("least"), ssh=Ssh(server="none"), network=Network(method="none"))


EVERY = [registry.features(machine) for machine in every_machine()]


def test_the_least_machine_has_the_base_alone() -> None:
    features = registry.features(LEAST)
    assert [each.name for each in features.services] == ["syslog"]
    assert [each.path for each in features.scripts] == [
        "boot/70-power-button",
        "boot/10-hostname",
        "boot/05-modules",
        "modprobe",
        "boot/06-sysctl",
        "boot/20-network",
    ]
    assert (features.drive, features.login, features.subnet, features.remote_builder) == (
        "",
        False,
        None,
        None,
    )
    assert (features.initrd_packages, features.kernel_params, features.stage1) == ((), (), ())


def test_a_machine_with_all() -> None:
    features = registry.features(replace(DEFAULT, disk=Disk(size=DiskSize("1G"))))
    assert [each.name for each in features.services] == ["sshd", "nix-daemon", "syslog"]
    assert features.kernel_params == ("realroot=/dev/vdb",)
    assert (features.drive, features.login, features.memory) == ("1G", True, 40)
    assert features.accounts.keys() == {"nixbld.conf", "chrony.conf"}
    assert {"sync-before-registering", "substituters"} <= _nix_conf(features).keys()
    assert "sync-before-registering" not in _nix_conf(registry.features(DEFAULT))


def test_folders_of_etc_on_the_drive() -> None:
    disk = Disk(size=DiskSize("1G"), etc=(RelativePath("postgresql"), RelativePath("a/b")))
    placed = {each.path: each.content for each in registry.features(replace(DEFAULT, disk=disk)).placed}
    assert placed == {
        "/var/lib/notos/etc/postgresql": Folder(),
        "/etc/postgresql": Link("/var/lib/notos/etc/postgresql"),
        "/var/lib/notos/etc/a/b": Folder(),
        "/etc/a/b": Link("/var/lib/notos/etc/a/b"),
    }


def test_files_of_the_config_in_such_a_folder() -> None:
    """They are the first contents of the folder on the drive."""
    machine = replace(
        DEFAULT,
        disk=Disk(size=DiskSize("1G"), etc=(RelativePath("cups"),)),
        etc={
            RelativePath("cups/cupsd.conf"): ConfigFile(text="Listen 631\n"),
            RelativePath("motd"): ConfigFile(text=""),
        },
    )
    features = registry.features(machine)
    placed = {each.path: each for each in features.placed}
    assert placed["/var/lib/notos/etc/cups/cupsd.conf"].content == Text("Listen 631\n")
    assert placed["/var/lib/notos/etc/cups/cupsd.conf"].keys == ("etc", "cups/cupsd.conf")
    assert [each.path for each in features.etc if each.keys] == ["motd"]


@pytest.mark.parametrize(("suite", "package"), [("trixie", "openssh-client"), ("sid", "openssh-common")])
def test_the_package_of_ssh_keygen(suite: str, package: str) -> None:
    features = registry.features(replace(DEFAULT, debian=Debian(suite=SuiteName(suite))))
    assert {"usr/bin/ssh-keygen"} in [set(each.only) for each in features.packages if each.name == package]


def test_sshd_has_an_account_where_its_package_declares_none() -> None:
    old = replace(DEFAULT, debian=Debian(suite=SuiteName("bookworm")))
    assert registry.features(old).accounts["openssh-server.conf"].startswith("u sshd ")
    assert "openssh-server.conf" not in registry.features(replace(old, ssh=Ssh(server="dropbear"))).accounts


def _nix_conf(features: Features) -> dict[str, str]:
    (file,) = [each for each in features.etc if each.path == "nix/nix.conf"]
    assert isinstance(file.content, Computed)
    settings: dict[str, str] = file.content.arguments["settings"]
    return settings


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ({}, set()),
        ({"hostname": "other"}, {"scripts", "etc", "remote_builder"}),
        ({"nix": replace(DEFAULT.nix, build_users=5)}, {"accounts"}),
        ({"nix": replace(DEFAULT.nix, settings={NixSetting("cores"): 2})}, {"etc", "remote_builder"}),
        (
            {"disk": Disk(size=DiskSize("1G"))},
            {"initrd_packages", "requirements", "kernel_params", "stage1", "etc", "drive"},
        ),
        ({"vm": replace(DEFAULT.vm, memory=700)}, set()),
    ],
)
def test_a_change_of_the_config_changes_what_depends_on_it(change: dict[str, Any], differ: set[str]) -> None:
    """Field by field, also as JSON; the addition of a disk reaches nix.conf."""
    before, after = registry.features(DEFAULT), registry.features(replace(DEFAULT, **change))
    names = {each.name for each in fields(Features)}
    assert {name for name in names if getattr(before, name) != getattr(after, name)} == differ
    assert {
        name for name in names if inputs.plain(getattr(before, name)) != inputs.plain(getattr(after, name))
    } == differ


@pytest.mark.parametrize("features", EVERY)
def test_values_are_frozen_and_plain(features: Features) -> None:
    plain = inputs.plain(features)
    assert json.loads(json.dumps(plain)) == plain
    with pytest.raises(FrozenInstanceError):
        features.memory = 0  # type: ignore[misc]


def test_the_join() -> None:
    first = Feature(
        packages=(Package(name=PackageName("a")), Package(name=PackageName("b"))),
        memory=2,
        accounts={"x": "1"},
        etc=(EtcFile(path="a", content=Copy("a")),),
        drive="1G",
    )
    own = Package(name=PackageName("a"), closure="depends")
    second = Feature(packages=(own,), memory=3, accounts={"y": "2"}, login=True)
    joined = join([first, second, Feature()])
    assert joined.packages == (own, Package(name=PackageName("b")))
    assert (joined.memory, joined.accounts, joined.login) == (5, {"x": "1", "y": "2"}, True)
    assert (joined.etc, joined.drive) == (first.etc, "1G")
    with pytest.raises(ValueError, match="two features give drive"):
        join([first, first])


@pytest.mark.parametrize("features", EVERY)
def test_no_feature_is_in_another_s_way(features: Features) -> None:
    """Nothing has one name twice, and no feature takes a package otherwise than another."""
    for names in (
        [each.path for each in features.scripts],
        [each.name for each in features.services],
        [each.path for each in features.etc],
        [each.module for each in features.requirements if each.module],
    ):
        assert len(names) == len(set(names))


def test_features_agree_on_packages() -> None:
    for machine in every_machine():
        packages = [each for module in registry.MODULES for each in module.feature(machine).packages]
        assert len({each.name for each in packages}) == len(set(packages))


@pytest.mark.parametrize("features", EVERY)
def test_every_service_of_a_feature_is_reserved(features: Features) -> None:
    assert {each.name for each in features.services} <= features.reserved_services.keys()


def shell_files() -> set[str]:
    """Return the shell files of features below the project's root; the stages of runit are of none."""
    folders = ("runit/boot", "runit/services", "scripts/stage2/etc")
    found = {path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()}
    found |= {path for path in (ROOT / "scripts/stage1").iterdir() if path.name != "init"}
    return {str(path.relative_to(ROOT)) for path in found}


def test_every_shell_file_belongs_to_a_feature() -> None:
    """A shell file that no feature names is in no machine."""
    named: set[str] = set()
    for features in EVERY:
        named |= {f"runit/{each.source or each.path}" for each in features.scripts if not each.text}
        named |= {f"scripts/stage1/{each}" for each in features.stage1}
        named |= {f"scripts/stage1/{each.source}" for each in features.pre_mount if each.source}
        named |= {
            f"scripts/stage2/etc/{each.content.source}"
            for each in features.etc
            if isinstance(each.content, Copy)
        }
        for service in features.services:
            folder = ROOT / "runit/services" / service.folder
            named |= {str(path.relative_to(ROOT)) for path in folder.iterdir()}
    assert shell_files() <= named
    assert all((ROOT / each).is_file() for each in named)


def test_nothing_of_a_feature_that_is_off() -> None:
    features = registry.features(replace(DEFAULT, nix=Nix(), time_servers=()))
    assert not any("nix" in each.path for each in features.etc)
    assert features.accounts == {}


def test_files_outside_of_notos() -> None:
    """They are what tasks depend on besides Notos' own."""
    features = join(
        [
            Feature(
                scripts=(Script(path="boot/80-x", source="/x/80-x"), Script(path="boot/81-y")),
                services=(Service(name="web", folder="/x/web"), Service(name="y", folder="y")),
                etc=(
                    EtcFile(path="a", content=Copy("/x/a")),
                    EtcFile(path="b", content=Copy("b")),
                    EtcFile(path="c", content=Computed(_text, {})),
                ),
            )
        ]
    )
    assert features.runit_sources == ("/x/80-x", "/x/web")
    assert features.etc_sources == ("/x/a",)
    assert features.etc_functions == (_text,)


def _text(_system: object) -> str:
    return ""

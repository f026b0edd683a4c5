"""Features bring packages, and a config's word on one goes before theirs."""

from dataclasses import replace
from pathlib import Path

from notos import loader
from notos.architecture import AMD64
from notos.config.model import (
    Glob,
    Kernel,
    KernelSource,
    Machine,
    Nix,
    Package,
    PackageName,
    Service,
    Sha256,
    ShellText,
    Ssh,
    System,
    Url,
)
from notos.features import registry
from notos.lock.request import Request
from notos.system import contents

DEFAULT = loader.load(Path(__file__).resolve().parents[2] / "config.yaml").machine


def names(machine: Machine) -> set[str]:
    return {each.name for each in contents.system_packages(machine, registry.features(machine))}


def requests(machine: Machine) -> dict[str, dict[str, Request]]:
    return contents.requests(machine, registry.features(machine), AMD64)


def test_each_feature_adds_its_packages() -> None:
    assert {"runit", "base-passwd", "busybox", "openssh-server", "nix-bin", "chrony"} <= names(DEFAULT)
    bare = replace(DEFAULT, ssh=Ssh(server="none"), nix=Nix(), time_servers=())
    terminals = {"kitty-terminfo", "ncurses-base", "ncurses-term"}
    assert names(bare) == {
        "runit",
        "base-passwd",
        "busybox",
        "netbase",
        "libc-bin",
        *terminals,
        "bash",
        "iproute2",
    }
    assert "dropbear-bin" in names(replace(bare, ssh=Ssh(server="dropbear")))


def test_the_config_s_word_goes_first() -> None:
    own = Package(name=PackageName("nix-bin"), closure="depends")
    machine = replace(DEFAULT, system=System(packages=(own,)))
    assert requests(machine)["system"]["nix-bin"].closure == "depends"
    assert requests(machine)["system"]["runit"].closure == "elf"


def test_packages_that_the_config_names_have_all_dependencies() -> None:
    packages = (
        Package(name=PackageName("redis-server")),
        Package(name=PackageName("curl"), closure="elf"),
        Package(name=PackageName("git"), only=(Glob("usr/bin/git"),)),
        Package(name=PackageName("vim"), exclude=(Glob("usr/share/vim/*"),)),
    )
    service = Service(run=ShellText("exec x"), packages=(Package(name=PackageName("nginx")),))
    machine = replace(DEFAULT, system=System(packages=packages), services={"web": service})  # type: ignore[dict-item]
    found = requests(machine)["system"]
    names = ("redis-server", "curl", "git", "vim", "nginx")
    assert [found[each].closure for each in names] == ["depends", "elf", "elf", "depends", "depends"]
    assert not any(found[each].yields for each in names)
    assert found["openssh-client"] == Request("elf", ("usr/bin/ssh-keygen",), yields=True)


def test_services_add_their_packages() -> None:
    service = Service(run=ShellText("exec x"), packages=(Package(name=PackageName("nginx")),))
    machine = replace(DEFAULT, services={"web": service})  # type: ignore[dict-item]
    assert "nginx" in names(machine)


def test_a_kernel_from_source_adds_its_compilers() -> None:
    kernel = Kernel(source=KernelSource(package=PackageName("linux-source-6.12")))
    sets = requests(replace(DEFAULT, kernel=kernel))
    assert sets["source"] == {"linux-source-6.12": Request("package")}
    assert sets["tools/kernel"]["gcc"].closure == "depends"
    assert "kernel" not in sets
    tarball = Kernel(source=KernelSource(url=Url("http://x.example/l.tar"), sha256=Sha256("0" * 64)))
    assert {"source", "kernel"}.isdisjoint(requests(replace(DEFAULT, kernel=tarball)))


def test_the_sets() -> None:
    sets = requests(DEFAULT)
    assert set(sets) == {"system", "initrd", "kernel", "tools/image", "tools/qemu"}
    assert sets["kernel"] == {"linux-image-cloud-amd64": Request("package")}
    assert sets["tools/qemu"]["qemu-system-x86"].only == ("usr/bin/qemu-system-x86_64",)

"""Every key of the schema: an edit gives the outputs of a build from nothing, and so does its reversal.

The keys come from the schema. A key without an example in CASES is a failure, so nobody can forget a new key.
"""

import copy
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from notos import architecture, loader
from notos.cache import Cache
from notos.config import shapes
from notos.config.host_settings import HostSettings
from notos.config.model import Machine
from notos.config.shapes import ListOf, MapOf, Shape, Struct
from notos.debian.archive import Archive
from notos.toolchain import peers
from tasks import inputs
from tests import made_up_machine, third_party
from tests.conftest import ROOT
from tests.fork_server import ForkServer
from tests.signed_archive import SUITE, Deb, SignedArchive, serving

Config = dict[str, Any]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEbdNV5Ga9YK6EdBuiG0Zk60TOLYzPkvCyQs1bHYO6Qj me"
STATIC = {"network": {"method": "static", "address": "10.0.2.15/24"}}
SERVICE = {"services": {"web": {"run": "exec busybox httpd -f"}}}
UNIT: Config = {"services": {"greeter": {}}}
UNIT_TIMER = {"timers": {"greeter": {"unit": "greeter.timer"}}}
BOOT = {"boot": {"hello": {"run": "echo hello"}}}
TIMER = {"timers": {"backup": {"every": "day", "run": "echo hello"}}}
NIX = {"nix": {"enable": True}}
TARBALL = {"kernel": {"source": {"url": "@mirror@/any.tar", "sha256": "@sha1@"}}}
BUILT = {"kernel": {"source": "linux-source-made-up"}}
ALICE: Config = {"users": {"alice": {}}}
SCRIPT: Config = {
    "system": {"scripts": {"list": {"run": "find /usr/bin /usr/share/hello | sort > /srv/list"}}}
}
APP: dict[str, Any] = {
    "source": "@folder@/service",
    "run": "mkdir -p /opt/app; echo * /usr/bin/* >/opt/app/list; test ! -e run || cat run >/opt/app/run",
}
PROGRAM: Config = {"build": {"app": APP}}
HELLO = {"system": {"packages": ["hello"]}}
OTHER_SUITE: Config = {**HELLO, "debian": {"sources": [{"suites": ["other"], "packages": ["hello"]}]}}
THIRD_PARTY: Config = {
    **HELLO,
    "debian": {
        "sources": [
            {"url": "@mirror@/third", "suites": ["stable"], "packages": ["hello"], "key": "@folder@/a.asc"}
        ]
    },
}


@dataclass(frozen=True)
class Case:
    """An edit: the rest of the config, and the new value of the key.

    `same` is the reason why no output changes; empty if outputs change.
    """

    key: str
    value: Any
    context: Config = field(default_factory=dict)
    same: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.key}{'-' if self.name else ''}{self.name}"


def case(key: str, value: Any, *context: Config, same: str = "", name: str = "") -> Case:
    joined: Config = {}
    for each in context:
        joined = merged(joined, each)
    return Case(key, value, joined, same, name)


def merged(below: Config, above: Config) -> Config:
    """Return a map with another map merged into it, recursively."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        found[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found


WITH_HELLO: Config = {"system": {"scripts": {"list": {"packages": ["hello"]}}}}


def in_packages(key: str, context: Config) -> list[Case]:
    """Return cases for the settings of a package that the only entry of the map `key` needs."""
    (name,) = context[key]
    with_hello = merged(context, {key: {name: {"packages": ["hello"]}}})
    return [
        case(f"{key}.NAME.packages.NAME.closure", "elf", with_hello),
        case(f"{key}.NAME.packages.NAME.only", ["usr/bin/hello"], with_hello),
        case(f"{key}.NAME.packages.NAME.exclude", ["usr/bin/goodbye"], with_hello),
        case(f"{key}.NAME.packages.NAME.deb", "@folder@/hello.deb", with_hello),
    ]


HOST_ONLY = "what is downloaded is verified"
COMPILES = "how this host compiles changes no byte"

CASES = [
    case("name", "other"),
    case("debian.distribution", "ubuntu", {"debian": {"suite": "trixie", "components": ["main"]}}),
    case("debian.suite", "forky"),
    case("debian.tools_suite", "forky", same="both releases have the same packages here"),
    case("debian.mirror", "@mirror@/", same=HOST_ONLY),
    case("debian.security_mirror", "@mirror@-security/", same=HOST_ONLY),
    case("debian.components", ["main", "contrib"], same="no package of the machine is in it"),
    case("debian.check_valid_until", False, same=HOST_ONLY),
    case("debian.sources", OTHER_SUITE["debian"]["sources"], HELLO),
    case("debian.sources", THIRD_PARTY["debian"]["sources"], HELLO, name="url"),
    case("debian.sources.NAME.url", "@mirror@/third-2", THIRD_PARTY, same="the hash is the same"),
    case("debian.sources.NAME.suites", ["third"], OTHER_SUITE),
    case("debian.sources.NAME.components", ["main", "contrib"], OTHER_SUITE, same="it has no package there"),
    case("debian.sources.NAME.key", "@folder@/b.asc", THIRD_PARTY, same="both files have the key"),
    case("debian.sources.NAME.packages", ["hello-data"], OTHER_SUITE),
    case("debian.sources.NAME.pin", "fallback", OTHER_SUITE),
    case("debian.sources.NAME.check_valid_until", False, OTHER_SUITE, same="the index is new"),
    case("kernel.package", "linux-image-amd64"),
    case("kernel.source", "linux-source-made-up"),
    case("kernel.source.package", "linux-source-other", BUILT),
    case("kernel.source.url", "@mirror@/other.tar", TARBALL, same="the hash is the same"),
    case("kernel.source.sha256", "@sha2@", TARBALL),
    case("kernel.base", "defconfig", BUILT),
    case("kernel.base", "@folder@/base.config", BUILT, name="file"),
    case("kernel.fragments", ["@folder@/a.config", "@folder@/b.config"], BUILT),
    case("kernel.options", {"MADE_UP": "y"}, BUILT),
    case("kernel.options", {"MADE_UP": 1}, BUILT, {"kernel": {"options": {"MADE_UP": "y"}}}, name="number"),
    case("kernel.patches", ["@folder@/a.patch"], BUILT),
    case("kernel.signing_key", "@folder@/a.pem", BUILT),
    case("kernel.modules", ["dummy"]),
    case(
        "kernel.modules",
        ["dummy", "virtio_rng"],
        {"kernel": {"modules": ["virtio_rng", "dummy"]}},
        name="order",
    ),
    case("kernel.system_modules", ["tun"]),
    case("kernel.for", "all"),
    case("kernel.firmware", ["firmware-made-up"], {"kernel": {"modules": ["dummy"]}}),
    case("initrd.packages", ["busybox-static", "hello"]),
    case("initrd.packages.NAME.closure", "depends", {"initrd": {"packages": ["busybox-static", "hello"]}}),
    case(
        "initrd.packages.NAME.only", ["usr/bin/hello"], {"initrd": {"packages": ["busybox-static", "hello"]}}
    ),
    case(
        "initrd.packages.NAME.exclude",
        ["usr/bin/goodbye"],
        {"initrd": {"packages": ["busybox-static", "hello"]}},
    ),
    case(
        "initrd.packages.NAME.deb",
        "@folder@/hello.deb",
        {"initrd": {"packages": ["busybox-static", "hello"]}},
    ),
    case("initrd.compression_level", 3),
    case("system.packages", ["hello"]),
    case("system.packages.NAME.closure", "elf", HELLO),
    case("system.packages.NAME.only", ["usr/bin/hello"], HELLO),
    case("system.packages.NAME.exclude", ["usr/bin/goodbye"], HELLO),
    case("system.packages.NAME.deb", "@folder@/hello.deb", HELLO),
    case("system.compression", "zstd"),
    case("system.keep", ["doc"], HELLO),
    case("system.keep", ["man", "locales", "gconv"], HELLO, name="more"),
    case("system.scripts", {"hi": "echo hi >/usr/share/hi"}),
    case("system.scripts", {"hi": "echo hi >/etc/hi; rm /etc/services; chmod 600 /etc/hi"}, name="etc"),
    case("system.scripts", {"hi": "mkdir -p /opt/x /var/x; echo hi >/opt/x/hi"}, HELLO, name="opt"),
    case(
        "system.scripts",
        {"b": "cat /srv/a >/usr/share/a || true", "a": "echo hi >/srv/a"},
        {"system": {"scripts": {"a": "echo hi >/srv/a", "b": "cat /srv/a >/usr/share/a || true"}}},
        name="order",
    ),
    case("system.scripts.NAME.run", "echo hi >/srv/list", SCRIPT),
    case("system.scripts.NAME.packages", ["hello"], SCRIPT),
    case("system.scripts.NAME.timeout", 30, SCRIPT, same="it limits only the time"),
    *(
        case(f"system.scripts.NAME.packages.NAME.{key}", value, merged(SCRIPT, WITH_HELLO))
        for key, value in {
            "closure": "elf",
            "only": ["usr/bin/hello"],
            "exclude": ["usr/bin/goodbye"],
            "deb": "@folder@/hello.deb",
        }.items()
    ),
    case("hostname", "other"),
    case("instance", True),
    case("network", "none"),
    case("network.interface", "eth1", {"network": {"method": "dhcp"}}),
    case("network.method", "dhcp", {"network": {"method": "none"}}),
    case("network.address", "10.0.2.16/24", STATIC),
    case("network.gateway", "10.0.2.2", STATIC),
    case("network.dns", ["10.0.2.3"], STATIC),
    case("network.search", ["home.arpa"], {"network": {"method": "dhcp"}}),
    case("network.NAME", "none", {"network": {"eth0": "dhcp"}}),
    case("network.NAME.method", "dhcp", {"network": {"eth0": {"method": "none"}}}),
    case("network.NAME.address", "10.0.2.16/24", {"network": {"eth0": {"address": "10.0.2.15/24"}}}),
    case("network.NAME.gateway", "10.0.2.2", {"network": {"eth0": {"address": "10.0.2.15/24"}}}),
    case("network.NAME.routes", {"10.8.0.0/16": "link"}, {"network": {"eth0": {"address": "10.0.2.15/24"}}}),
    case("network.NAME.vlan.id", 6, {"network": {"v5": {"vlan": {"id": 5, "link": "eth0"}}}}),
    case("network.NAME.vlan.link", "eth1", {"network": {"v5": {"vlan": {"id": 5, "link": "eth0"}}}}),
    case("network.NAME.bridge", ["eth1"], {"network": {"br0": {"bridge": ["eth0"]}}}),
    case("network.NAME.mtu", 1400, {"network": {"eth0": "dhcp"}}, {"network": {"eth0": {"method": "dhcp"}}}),
    case("hosts", {"nas": "10.0.0.5"}),
    case("locale", "de_DE.UTF-8"),
    case("timezone", "Europe/Berlin"),
    case("keymap", "de"),
    case("sysctl", {"net.ipv4.ip_forward": 1}),
    case("modules_load", ["tun"]),
    case("modprobe.blacklist", ["tun"]),
    case("modprobe.NAME", {"numdummies": 2}, {"modprobe": {"dummy": {"numdummies": 1}}}),
    case("mounts", {"/data": {"device": "/dev/vdc", "type": "xfs"}}),
    case("mounts.NAME.device", "/dev/vdd", {"mounts": {"/data": {"device": "/dev/vdc", "type": "xfs"}}}),
    case("mounts.NAME.type", "ext4", {"mounts": {"/data": {"device": "/dev/vdc", "type": "xfs"}}}),
    case("mounts.NAME.options", "size=64m", {"mounts": {"/data": {"device": "tmpfs"}}}),
    case("mounts.NAME.required", True, {"mounts": {"/data": {"device": "tmpfs"}}}),
    case("time_servers", ["192.0.2.1"]),
    case("ssh.server", "dropbear"),
    case("ssh.server", "openssh", name="openssh"),
    case("ssh.authorized_keys", [KEY], {"ssh": {"server": "dropbear"}}),
    case("nix.enable", True),
    case("nix.build_users", 2, NIX),
    case("nix.settings", {"max-jobs": 1}, NIX),
    case("nix.settings", {"cores": True}, NIX, {"nix": {"settings": {"cores": 1}}}, name="boolean"),
    case("disk", "64M"),
    case("disk.size", "2G", {"disk": {"size": "1G"}}),
    case("disk", "1G", NIX, name="nix"),
    case("disk.etc", ["postgresql"], {"disk": {"size": "1G"}}),
    case("syslog", False),
    case("services", {"web": {"run": "exec busybox httpd -f"}}),
    case("services.NAME.run", "exec busybox httpd -f -h /tmp", SERVICE),
    case("services.NAME.source", "@folder@/service", {"services": {"web": {"source": "@folder@/service-2"}}}),
    case("services.NAME.packages", ["hello"], SERVICE),
    case(
        "services.NAME.packages.NAME.closure",
        "elf",
        merged(SERVICE, {"services": {"web": {"packages": ["hello"]}}}),
    ),
    case(
        "services.NAME.packages.NAME.only",
        ["usr/bin/hello"],
        merged(SERVICE, {"services": {"web": {"packages": ["hello"]}}}),
    ),
    case(
        "services.NAME.packages.NAME.exclude",
        ["usr/bin/goodbye"],
        merged(SERVICE, {"services": {"web": {"packages": ["hello"]}}}),
    ),
    case("services", {"greeter": {}}, name="unit"),
    case("services.NAME.unit", "greeter@x.service", UNIT),
    case(
        "services.NAME.unit",
        "@folder@/greeter.service",
        {"services": {"greeter": {"packages": ["greeter"]}}},
        name="file",
    ),
    case("services.NAME.set", {"Nice": 5}, UNIT),
    case("services.NAME.set", {"ExecStart": ["", "/usr/sbin/greeter x"]}, UNIT, name="list"),
    case("services.NAME.environment", {"GREETING": "hello"}, UNIT),
    case(
        "services.NAME.packages.NAME.deb",
        "@folder@/hello.deb",
        merged(SERVICE, {"services": {"web": {"packages": ["hello"]}}}),
    ),
    case("services.NAME.reads", ["web/*", "/opt/web/*"], SERVICE),
    case("services.NAME.log", True, SERVICE),
    case("alternatives", {"greeting": "/usr/bin/hello"}, HELLO),
    case(
        "alternatives", {"greeting": "hello"}, HELLO, {"alternatives": {"greeting": "goodbye"}}, name="other"
    ),
    case("setuid", ["hello"], HELLO, name="list"),
    case("setuid", [], {"setuid": ["hello"]}, HELLO),
    case("boot", {"hello": "echo hello"}),
    case("boot.NAME.run", "echo hi", BOOT),
    case("boot.NAME.when", "before-network", BOOT),
    case("boot.NAME.when", "pre-mount", BOOT, name="pre-mount"),
    case("boot.NAME.when", "post-boot", BOOT, name="post-boot"),
    case("boot.NAME.when", "with-services", BOOT, name="with-services"),
    case("boot.NAME.required", True, BOOT),
    case("boot.NAME.timeout", 30, BOOT),
    case("boot.NAME.packages", ["hello"], BOOT),
    *in_packages("boot", BOOT),
    case("timers", {"backup": {"every": "day", "run": "echo hello"}}),
    case("timers.NAME.every", "15m", TIMER),
    case("timers.NAME.at", "03:00", TIMER),
    case("timers.NAME.on", "friday", {"timers": {"backup": {"every": "week", "run": "echo hello"}}}),
    case("timers.NAME.run", "echo hi", TIMER),
    case("timers.NAME.unit", "greeter-2.timer", UNIT_TIMER),
    case("timers.NAME.set", {"Timer.OnCalendar": ["", "monthly"]}, UNIT_TIMER),
    case("timers.NAME.user", "nobody", TIMER),
    case("timers.NAME.packages", ["hello"], TIMER),
    *in_packages("timers", TIMER),
    case("etc", {"motd": {"text": "hello"}}),
    case("etc.NAME.text", "hi", {"etc": {"motd": {"text": "hello"}}}),
    case("etc.NAME.source", "@folder@/a.config", {"etc": {"motd": {"source": "@folder@/b.config"}}}),
    case("etc.NAME.mode", "0600", {"etc": {"motd": {"text": "hello"}}}),
    case("etc.NAME.mode", "0755", {"etc": {"motd": {"text": "hello"}}}, name="executable"),
    case("files", {"/srv/a": {"text": "hello"}}),
    case("files", {"/usr/share/a": {"text": "hello"}}, name="usr"),
    case("files.NAME.text", "hi", {"files": {"/srv/a": {"text": "hello"}}}),
    case("files.NAME.text", "hi", {"files": {"/opt/a": {"text": "hello"}}}, name="opt"),
    case("files.NAME.source", "@folder@/service", {"files": {"/srv/a": {"source": "@folder@/a.config"}}}),
    case(
        "files.NAME.source",
        "@folder@/service",
        {"files": {"/usr/share/a": {"source": "@folder@/service-2"}}},
        name="folder",
    ),
    case("files.NAME.link", "b", {"files": {"/srv/a": {"link": "c"}}}),
    case("files.NAME.exclude", ["run"], {"files": {"/etc/a": {"source": "@folder@/service"}}}),
    case("files.NAME.mode", "0600", {"files": {"/srv/a": {"text": "hello"}}}),
    case("files.NAME.mode", "0600", {"files": {"/etc/a": {"text": "hello"}}}, name="etc"),
    case("files.NAME.owner", "alice", merged(ALICE, {"files": {"/srv/a": {"text": "hello"}}})),
    case("files.NAME.group", "sudo", {"files": {"/etc/a": {"text": "hello"}}}),
    case("remove", ["/usr/bin/hello"], HELLO),
    case("console", "shell"),
    case("users", {"alice": {"uid": 1000}}),
    case("users.NAME.uid", 1001, ALICE),
    case("users.NAME.description", "Alice", ALICE),
    case("users.NAME.groups", ["sudo"], ALICE),
    case("users.NAME.shell", "/bin/sh", merged(ALICE, {"users": {"alice": {"shell": "/bin/cat"}}})),
    case("users.NAME.home", "/srv/alice", ALICE),
    case("users.NAME.authorized_keys", [KEY], merged(ALICE, {"ssh": {"server": "dropbear"}})),
    case("users.NAME.password_hash", "$6$salt$notahash", ALICE),
    case("users.NAME.sudo", True, ALICE),
    case("users.NAME.system", True, ALICE),
    case("groups", {"admins": {"gid": 1100}}),
    case("groups.NAME.gid", 1101, {"groups": {"admins": {"gid": 1100}}}),
    case("extensions", {"motd": {"text": "hi"}}),
    case(
        "extensions", {"motd": {"text": "hello"}}, {"extensions": {"motd": {"text": "hi"}}}, name="settings"
    ),
    case("kernel_params", ["quiet"]),
    case("vm.machine", "microvm"),
    case("vm.memory", 300),
    case("vm.cpus", 2),
    case("vm.forward", {8080: 80}),
    case("vm.forward", {2222: 22, 8080: 80}, {"vm": {"forward": {8080: 80, 2222: 22}}}, name="order"),
    case("vm.networks", {"eth1": "lan"}, {"network": {"eth0": "dhcp", "eth1": "none"}}),
    case("vm.accel", "tcg"),
    case("build.NAME", {**APP, "run": "echo hi >/opt/hi"}, PROGRAM),
    case("build.NAME", APP, {"build": {"app": {**APP, "source": "@folder@/service-2"}}}, name="other"),
    case("build.NAME.source", "@folder@/sources", PROGRAM),
    case("build.NAME.exclude", ["run"], PROGRAM),
    case("build.NAME.run", "mkdir -p $DESTDIR/srv; cat run >$DESTDIR/srv/run", PROGRAM),
    case("build.NAME.install", {"/usr/bin/app": "run"}, PROGRAM),
    case("build.NAME.timeout", 60, PROGRAM, same="it limits only the time"),
    *in_packages("build", PROGRAM),
    case("build.NAME.packages", ["hello"], PROGRAM),
    *(
        case(f"build.NAME.needs.NAME.{key}", value, merged(PROGRAM, {"build": {"app": {"needs": ["hello"]}}}))
        for key, value in {
            "closure": "elf",
            "only": ["usr/bin/hello"],
            "exclude": ["usr/bin/goodbye"],
            "deb": "@folder@/hello.deb",
        }.items()
    ),
    case("build.NAME.needs", ["hello"], PROGRAM),
    case("build.jobs", 3, BUILT, same=COMPILES),
    case("build.ccache.enable", False, BUILT, same=COMPILES),
    case("build.ccache.size", "1G", BUILT, same=COMPILES),
    case("build.ccache.remote_storage", "http://127.0.0.1:9/", BUILT, same=COMPILES),
    case("build.compiler_prefix", "distcc", BUILT, same=COMPILES),
    case("build.environment", {"DISTCC_HOSTS": "localhost"}, BUILT, same=COMPILES),
]
HOST_CASES = [
    case("mirror", "@mirror@/", same=HOST_ONLY),
    case("security_mirror", "@mirror@-security/", same=HOST_ONLY),
    case("fallback_mirrors", ["@mirror@/"], same=HOST_ONLY),
    case("ubuntu_mirror", "@mirror@/", same=HOST_ONLY),
    case("jobs", 3, BUILT, same=COMPILES),
    case("ccache.enable", False, BUILT, same=COMPILES),
    case("ccache.size", "1G", BUILT, same=COMPILES),
    case("ccache.remote_storage", "http://127.0.0.1:9/", BUILT, same=COMPILES),
]


def keys(shape: Shape, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all keys that a config may have; NAME stands for a key that the user chooses."""
    if isinstance(shape, MapOf):
        yield from keys(shape.value, f"{prefix}NAME.")
    elif isinstance(shape, ListOf):
        yield from keys(shape.item, f"{prefix}NAME.")
    elif isinstance(shape, Struct):
        for each in shape.fields.values():
            if shape.keyed and each.name == shape.bare:
                continue
            if each.name == shape.rest:
                yield f"{prefix}NAME"
                yield from keys(shape.entries.value, f"{prefix}NAME.")
                continue
            path = f"{prefix}{each.name}"
            inner = each.shape
            if not isinstance(inner, Struct) or inner.bare:
                yield path
            yield from keys(inner, f"{path}.")


@pytest.mark.parametrize(("cls", "cases"), [(Machine, CASES), (HostSettings, HOST_CASES)])
def test_every_key_has_an_example(cls: type, cases: list[Case]) -> None:
    assert {each.key for each in cases} == set(keys(shapes.struct(cls)))


def test_neutral_keys_change_no_output() -> None:
    """Keys that no task depends on change no output."""
    neutral = {each.key for each in CASES if each.same in (HOST_ONLY, COMPILES)}
    assert neutral == {
        key
        for key in keys(shapes.struct(Machine))
        if any(key == each or key.startswith(f"{each}.") for each in inputs.NEUTRAL)
    }


class World:
    """An archive, and projects that are built from it with one cache."""

    def __init__(self, folder: Path, mirror: str, server: ForkServer, host: Path) -> None:
        self.folder = folder
        self.mirror = mirror
        self.host = host
        self._server = server
        self._built: dict[str, tuple[Path, dict[str, str]]] = {}
        self._projects = 0

    def config(self, *parts: Config) -> Config:
        """Return the least machine of this world with `parts` merged into it."""
        made: Config = {
            "name": "tiny",
            "debian": {"mirror": self.mirror, "security_mirror": f"{self.mirror}-security"},
            "initrd": {"compression_level": 1},
            "ssh": {"server": "none"},
            "system": {"compression": "none"},
        }
        for each in parts:
            made = merged(made, each)
        text = written(made)
        for marker, value in {
            "@mirror@": self.mirror,
            "@folder@": str(self.folder / "files"),
            **{f"@sha{each}@": made_up_machine.sha256(made_up_machine.source(each)) for each in "12"},
        }.items():
            text = text.replace(marker, value)
        found: Config = yaml.safe_load(text)
        return found

    def project(self) -> Path:
        self._projects += 1
        made = self.folder / f"project-{self._projects}"
        (made / "extensions").mkdir(parents=True)
        (made / "extensions/motd.py").write_text(EXTENSION)
        return made

    def built(self, config: Config) -> tuple[Path, dict[str, str]]:
        """Return a project with this machine built, and its outputs."""
        project, outputs = self._built.pop(written(config), (None, None))
        if project is None or outputs is None:
            project = self.project()
            outputs = self.build(project, config)
        return project, outputs

    def keep(self, config: Config, project: Path, outputs: dict[str, str]) -> None:
        """Keep a project for the next case, with the outputs of a build from nothing."""
        self._built[written(config)] = project, outputs

    def build(self, project: Path, config: Config) -> dict[str, str]:
        """Build; return the sha256 of each output by its path below build/NAME."""
        (project / "config.yaml").write_text(written(config))
        self.run(project)
        return self.outputs(project / "build" / str(config["name"]))

    def run(self, project: Path) -> str:
        """Build; return the standard output."""
        return self._server.run(project, "runvm")

    @staticmethod
    def outputs(folder: Path) -> dict[str, str]:
        names = ["vmlinuz", "vmlinux", "initrd", "root.squashfs", "kernel.config", "runvm.sh"]
        paths = [folder / each for each in names]
        paths += [each for part in ("manifests", "sets", "tools") for each in (folder / part).glob("*.json")]
        return {
            str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
            for each in sorted(paths)
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("every-key")
    debian = loader.load(ROOT / "config.yaml").machine.debian
    real = Archive(debian, Cache.default(), architecture.host())
    programs = peers.tree(made_up_machine.REAL, real, ROOT / "build/tests/every-key.lock")
    archive = SignedArchive(folder / "archive")
    debs = made_up_machine.debs(programs)
    for suite in (SUITE, "forky"):
        archive.publish(debs, suite=suite, empty=["contrib"])
        for part in ("updates", "security"):
            archive.publish([], suite=f"{suite}-{part}", empty=["contrib"])
    hello = next(each for each in debs if each.name == "hello")
    for version, suite in (("2", "other"), ("3", "third")):
        newer = [replace(hello, version=version), Deb("hello-data", version)]
        archive.publish(newer, suite=suite, empty=["contrib"])
    # Ubuntu's mirrors have the suite of security fixes beside the others.
    security = archive.in_release(f"{SUITE}-security").parent
    (archive.in_release().parents[1] / security.name).symlink_to(security)
    key = third_party.new_key()
    for name in ("third", "third-2"):
        third_party.Repository(archive.root / "debian" / name, [key]).publish(replace(hello, version="4"))
    for name in ("any", "other"):
        (archive.root / f"debian/{name}.tar").write_bytes(made_up_machine.source("1"))
    # What is at an address can be only one of two; the cache has the other.
    kept = Cache(folder / "cache").download(made_up_machine.sha256(made_up_machine.source("2")))
    kept.parent.mkdir(parents=True)
    kept.write_bytes(made_up_machine.source("2"))
    files = folder / "files"
    files.mkdir()
    for name, text in FILES.items():
        (files / name).parent.mkdir(exist_ok=True)
        (files / name).write_text(text)
        (files / name).chmod(0o755 if name.endswith("/run") else 0o644)
    (files / "hello.deb").write_bytes(replace(hello, version="5", files={"usr/bin/hello": b"mine"}).build())
    (files / "a.asc").write_bytes(third_party.certificate(key))
    (files / "b.asc").write_bytes(third_party.certificate(third_party.new_key(), key))
    (files / "base.config").write_text(made_up_machine.needed_config() + "CONFIG_OF_A_FILE=y\n")
    host = folder / "xdg"
    environment = {
        "NO_PROXY": "127.0.0.1",
        "NOTOS_CACHE": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(host),
    }
    with serving(archive.root) as server:
        mirror = f"{server.url}/debian"
        # Of the tools for a machine of Ubuntu, to which the config's mirror does not apply.
        environment.update(NOTOS_MIRROR=mirror, NOTOS_SECURITY_MIRROR=f"{mirror}-security")
        with ForkServer(archive.keys, environment) as runs:
            yield World(folder, mirror, runs, host)


EXTENSION = """
from dataclasses import dataclass

from notos.config.model import Machine, setting
from notos.features.model import EtcFile, Feature, Text


@dataclass(frozen=True, kw_only=True)
class Settings:
    text: str = setting("text of /etc/motd")


def feature(machine: Machine, settings: Settings) -> Feature:
    return Feature(etc=(EtcFile(path="motd", content=Text(settings.text)),))
"""

FILES: Mapping[str, str] = {
    "a.config": "CONFIG_A=y\n",
    "b.config": "CONFIG_B=y\n",
    "a.pem": "a key\n",
    "a.patch": "--- a/Makefile\n+++ b/Makefile\n@@ -1 +1,2 @@\n VERSION = 1\n+PATCHED = y\n",
    "greeter.service": "[Service]\nExecStart=/usr/sbin/greeter of mine\n",
    "service/run": "#!/bin/sh\nexec busybox httpd -f\n",
    "sources/main.c": "int main(void) { return 0; }\n",
    "service-2/run": "#!/bin/sh\nexec busybox httpd -f -p 81\n",
}


def edited(context: Config, key: str, value: Any) -> Config:
    """Return a config with `value` at `key`; NAME is the name that the config has."""
    made: Config = copy.deepcopy(context)
    at: Any = made
    names = key.split(".")
    for position, name in enumerate(names[:-1]):
        if isinstance(at.get(name), list):  # of packages or sources: the last one, as a map of its settings
            last = at[name][-1]
            if isinstance(last, dict):
                last[names[-1]] = value
                return made
            if names[-1] == "deb":
                at[name][-1] = {"deb": value}
                return made
            below: Config = {}
            at[name][-1] = {last: below}
            below[names[-1]] = value
            return made
        if name == "NAME":
            at = at[next(iter(at))]
            continue
        if not isinstance(at.get(name), dict):
            at[name] = {}
        at = at[name]
        del position
    last = next(iter(at)) if names[-1] == "NAME" else names[-1]
    at[last] = value
    return made


@pytest.mark.parametrize("each", CASES, ids=str)
def test_an_edit_gives_the_outputs_of_a_build_from_nothing(world: World, each: Case) -> None:
    before = world.config(each.context)
    after = world.config(edited(merged(world.config(), each.context), each.key, each.value))
    project, old = world.built(before)
    new = world.build(project, after)
    nothing = world.project()
    shutil.copy(project / "config.lock", nothing)
    fresh = world.build(nothing, after)
    left = {name: new.get(name, "") for name in fresh}  # a set that is not used any more stays until `gc`
    assert different(left, fresh) == []
    assert (different(old, new) == []) == bool(each.same)
    assert (
        different(old, {name: now for name, now in world.build(project, before).items() if name in old}) == []
    )
    world.keep(before, project, old)


@pytest.mark.parametrize("each", HOST_CASES, ids=str)
def test_settings_of_the_host_run_nothing_and_change_nothing(world: World, each: Case) -> None:
    config = world.config(each.context)
    project, old = world.built(config)
    settings = world.host / "notos/host.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(written(edited({}, each.key, each.value)).replace("@mirror@", world.mirror))
    try:
        assert world.run(project) == "runvm: up to date\n"
        nothing = world.project()
        shutil.copy(project / "config.lock", nothing)
        assert different(world.build(nothing, config), old) == []
    finally:
        settings.unlink()
    world.keep(config, project, old)


def written(config: Config) -> str:
    """Return a config in YAML, whose keys may be numbers."""
    return yaml.safe_dump(config, sort_keys=False)


def different(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the outputs that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))

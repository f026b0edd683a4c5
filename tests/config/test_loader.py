"""Loading of configs: defaults, imports, and every problem at its line."""
# ruff: noqa: E501 — a case of the table is one line

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notos import loader
from notos.config.model import (
    Glob,
    IPAddress,
    IPv4Address,
    IPv4Interface,
    Machine,
    MachineName,
    Network,
    NixSetting,
    Package,
    PackageName,
    RelativePath,
    ServiceName,
)
from notos.errors import ConfigError
from notos.features import registry
from notos.outputs.qemu.command_line import command_line
from tests.conftest import FIXTURES

ROOT = Path(__file__).parents[2]
Write = Callable[..., Path]  # the fixture `write`
SEED = (ROOT / "config.yaml").read_text()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes files into a new current folder, so that messages are short."""
    monkeypatch.chdir(tmp_path)

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            Path(f"{name}.yaml").write_text(text)
        return Path(f"{next(iter(texts))}.yaml")

    return write


def load(path: Path) -> Machine:
    return loader.load(path).machine


def problems(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    return str(caught.value)


def test_a_name_is_enough(write: Write) -> None:
    assert load(write(c="name: tiny")) == Machine(name=MachineName("tiny"))


def test_the_seed() -> None:
    loaded = loader.load(ROOT / "config.yaml")
    assert loaded.files == (ROOT / "config.yaml",)
    machine = loaded.machine
    assert machine.name == "notos"
    assert machine.nix.enable is True
    assert machine.network == Network(
        address=IPv4Interface("10.0.2.15/24"), gateway=IPv4Address("10.0.2.2"), dns=(IPAddress("10.0.2.3"),)
    )
    assert machine.vm.forward == {2222: 22, 8000: 80}
    assert Package(name=PackageName("bash")) in machine.system.packages


def test_every_form(write: Write, tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("hello")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "run").write_text("#!/bin/sh\n")
    (tmp_path / "web" / "run").chmod(0o755)
    machine = load(
        write(
            c="""\
name: "no"
network: none
kernel: {modules: [dm-mod]}
system:
  packages:
    - bash
    - python3: {closure: depends, exclude: ["usr/lib/*/test/*"]}
debian: {mirror: http://mirror.example/debian}
nix: {settings: {cores: 0, sandbox: false, max-jobs: auto, x: "yes", empty: ""}}
services: {web: {source: web}}
etc: {a/b: {text: "", mode: "755"}, c: {source: motd}}
"""
        )
    )
    assert machine.name == "no"
    assert machine.network == Network(method="none")
    assert machine.kernel.modules == ("dm_mod",)
    assert machine.system.packages == (
        Package(name=PackageName("bash")),
        Package(name=PackageName("python3"), closure="depends", exclude=(Glob("usr/lib/*/test/*"),)),
    )
    assert machine.debian.mirror == "http://mirror.example/debian"
    assert machine.nix.settings == {"cores": 0, "sandbox": False, "max-jobs": "auto", "x": "yes", "empty": ""}
    assert machine.nix.settings[NixSetting("sandbox")] is False
    assert machine.services[ServiceName("web")].source == str(tmp_path / "web")
    empty = machine.etc[RelativePath("a/b")]
    assert (empty.text, empty.mode) == ("", "0755")
    assert machine.etc[RelativePath("c")].source == str(tmp_path / "motd")


KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIL0CzXyqXs1g3nAJm0JvmVIk5vMZP9gKZ8r3d3sZrX9w"
STATIC = "network: {address: 10.0.2.15/24, %s}"
WRONG = [
    # keys
    ("vm: {memmory: 1}", 'unknown key "memmory" in vm; did you mean "memory"?', "memmory"),
    ("memory: 1", 'unknown key "memory"; did you mean "vm.memory"?', "memory"),
    ("vm: {zzz: 1}", 'unknown key "zzz" in vm; it has machine, memory, cpus, forward, networks, accel', "zzz"),
    ("? [a]\n: b", "a key must be a word, not a list or a map", "["),
    ("hostname: a\nhostname: b", 'duplicate key "hostname"; the first is on line 2', "hostname"),
    # kinds
    ("vm: 3", 'vm must be a map of keys; got "3"', "3"),
    ("vm:", "vm is empty; leave it out, or give it a map of keys", "^"),
    ("vm: []", "vm must be a map of keys; got a list", "["),
    ("kernel: {modules: tun}", 'kernel.modules must be a list; got "tun"', "tun"),
    ("services: [a]", "services must be a map; got a list", "["),
    ("hostname: [a]", "hostname must be a host's name", "["),
    ("hostname: {a: b}", "got a map", "{"),
    ("kernel: {modules: [[a]]}", "kernel.modules must be a kernel module's name", "["),
    # Debian
    ("debian: {suite: trixie-backports}", "trixie-backports has only some packages; write trixie", "trixie-backports"),
    ("debian: {suite: experimental}", "experimental has only some packages; write sid", "experimental"),
    (
        "debian: {tools_suite: bookworm-security}",
        "debian.tools_suite: bookworm-security has only some packages; write bookworm",
        "bookworm-security",
    ),
    # kernels
    ("kernel: {options: {EXT4_FS: y}}", "kernel.options is for a custom kernel; set kernel.source too", "options"),
    ("kernel: {source: linux-source-6.12, package: x1}", "kernel takes either package or source, not both; source is on line 2", "package"),
    ("kernel: {source: {url: 'http://x.example/l.tar'}}", "kernel.source.sha256 is missing: a tarball is verified", "{"),
    ("kernel: {source: {package: l1, sha256: " + "a" * 64 + "}}", "kernel.source.sha256 is for a url", "^"),
    ("kernel: {source: {sha256: " + "a" * 64 + "}}", "kernel.source needs either package or url", "{"),
    ("kernel: {source: {url: 'http://x.example/l.tar', sha256: abc}}", "kernel.source.sha256 must be a sha256 (64 hex", "abc"),
    ("kernel: {source: l1, base: tinycfg}", "tinycfg does not exist", "tinycfg"),
    ("kernel: {source: l1, fragments: [none.config]}", "none.config does not exist", "none.config"),
    ("kernel: {source: l1, options: {CONFIG_X: y}}", "a key of kernel.options must be a Kconfig symbol", "CONFIG_X"),
    ("kernel: {source: l1, options: {X: yes}}", 'yes without quotes is a boolean in YAML; write "yes"', "yes"),
    ("kernel: {source: l1, options: {X: 0x10}}", 'write "0x10"', "0x10"),
    ("build: {jobs: 0}", "build.jobs must be a whole number, 1 to 1024; got 0", "0"),
    ("build: {ccache: {size: big}}", "build.ccache.size must be a size (a number and M, G or T)", "big"),
    ("build: {environment: {KCFLAGS: -O3}}", "a key of build.environment must be an environment variable of ccache", "KCFLAGS"),
    ("build: {compiler_prefix: dist}", 'did you mean "distcc"?', "dist"),
    # words
    ("vm: {accel: kmv}", 'vm.accel must be auto, kvm or tcg; got "kmv"; did you mean "kvm"?', "kmv"),
    ("vm: {accel: no}", 'vm.accel must be auto, kvm or tcg; got "no"', "no"),
    ("network: dhpc", 'network must be static, dhcp or none; got "dhpc"; did you mean "dhcp"?', "dhpc"),
    (
        "debian: {sources: [{url: 'file:///x', suites: x, packages: xy, key: file}]}",
        "file:///x is a folder of this host; name its packages as system: {packages: [deb: FOLDER]}",
        "'file:///x'",
    ),
    ("debian: {sources: [{url: http://x.example, suites: x, packages: xy}]}", "key is missing: a file", "url"),
    (
        "debian: {sources: [{url: http://x.example, suites: x, packages: xy, key: file}]}",
        "file is not an OpenPGP key, armored or binary",
        "file",
    ),
    ("debian: {sources: [{suites: ./, packages: xy}]}", "./ is a flat repository, which needs", "suites"),
    ("debian: {sources: [{suites: x, packages: xy, key: file}]}", "key is for a url", "key"),
    ("debian: {sources: [{suites: x}]}", "debian.sources.packages is missing: names of the packages", "{"),
    ("debian: {sources: [{suites: [], packages: xy}]}", "debian.sources: suites is empty", "suites"),
    ("debian: {sources: [{suites: x, packages: Xy_}]}", "an example is golang-*", "Xy_"),
    ("debian: {sources: [{suites: x, packages: xy, pin: 0}]}", "a whole number, 1 to 1000; got 0", "0"),
    ("debian: {sources: [{suites: x, packages: xy, pin: prefr}]}", "newest, prefer, fallback or", "prefr"),
    ("debian: {sources: [{suites: ../x, packages: xy}]}", "must be a suite of an archive", "../x"),
    ("debian: {sources: [x]}", "write - packages: [golang-*], suites: [x]", "x"),
    ("debian: {distribution: ubuntu}", "debian.suite is missing: the name of Ubuntu's", "distribution"),
    ("debian: {repositories: []}", "write sources: [", "repositories"),
    ("repositories: []", "further archives go into debian: write debian: {sources: [", "repositories"),
    ("system: {packages: [deb: none.deb]}", "none.deb does not exist", "none.deb"),
    ("system: {packages: [deb: file]}", "file is not a valid .deb: no ar magic at the start", "file"),
    ("system: {packages: [deb: ok]}", "ok has no .deb files", "ok"),
    ("system: {packages: [deb: '*.deb']}", "*.deb", "'*.deb'"),
    ("debian: {mirror: atuo}", 'did you mean "auto"?', "atuo"),
    ("debian: {mirror: 'file:///x'}", "an example is http://mirror.example/debian", "'file:///x'"),
    ("system: {keep: [docs]}", 'did you mean "doc"?', "docs"),
    # text
    ("hostname: no", 'no without quotes is a boolean in YAML; write "no"', "no"),
    ("hostname: null", 'null without quotes is nothing in YAML; write "null"', "null"),
    ("hostname: 12", '12 without quotes is a number in YAML; write "12"', "12"),
    ("hostname: 2024-01-01", '2024-01-01 without quotes is a date in YAML; write "2024-01-01"', "2024-01-01"),
    ("hostname:", "hostname is empty; leave it out, or give it a host's name", "^"),
    ("hostname: ''", "hostname must be a host's name", "''"),
    ("hostname: my_host", 'got "my_host"', "my_host"),
    ("hostname: -a", "hostname must be", "-a"),
    (f"hostname: {'a' * 64}", "at most 63", "a" * 64),
    ("etc: {a: {text: 1.10}}", '1.10 without quotes is a number in YAML; write "1.10"', "1.10"),
    ("etc: {a: {text: 1:30}}", '1:30 without quotes is a number in YAML; write "1:30"', "1:30"),
    ("etc: {a: {text: x, mode: 0644}}", '0644 without quotes is a number in YAML; write "0644"', "0644"),
    ("etc: {a: {text: x, mode: '999'}}", "three octal digits", "'999'"),
    ("etc: {/etc/a: {text: x}}", "a key of etc must be a path", "/etc/a"),
    ("etc: {a/../b: {text: x}}", "a key of etc must be a path", "a/../b"),
    ("etc: {a//b: {text: x}}", "a key of etc must be a path", "a//b"),
    ("etc: {no: {text: x}}", "no without quotes is a boolean", "no"),
    ('hostname: "a\\nb"', "got", '"a\\nb"'),
    ("time_servers: ['a b']", "time_servers must be a host's full name or an IPv4 address", "'a b'"),
    ("time_servers: [a..b]", "time_servers must be", "a..b"),
    ("network: {address: 10.0.2.256/24}", "network.address must be an IPv4 address", "10.0.2.256/24"),
    ("network: {address: 10.0.2.15}", "with its prefix length", "10.0.2.15"),
    ("network: {address: 10.0.2.15/33}", "with its prefix length", "10.0.2.15/33"),
    ("ssh: {authorized_keys: [id_ed25519.pub]}", "a line of authorized_keys", "id_ed25519.pub"),
    ("kernel_params: ['a b']", "kernel_params must be a kernel parameter", "'a b'"),
    ("system: {packages: [Bash]}", "system.packages must be a package's name", "Bash"),
    ("services: {.a: {run: x}}", "a key of services must be a service's name", ".a"),
    ("services: {a: {run: ' '}}", "services.a.run must be a shell script (not empty)", "' '"),
    ("nix: {settings: {a: \"x\\ny\"}}", "text of one line", '"x\\ny"'),
    # numbers and booleans
    ("vm: {memory: 3}", "vm.memory must be a whole number, 64 to 1048576; got 3", "3"),
    ("vm: {memory: 512M}", "vm.memory must be a whole number (64 to 1048576); got 512M", "512M"),
    ("vm: {memory: '512'}", 'got "512"; leave the quotes out', "'512'"),
    ("vm: {memory: 0x200}", "write it in plain decimal digits", "0x200"),
    ("vm: {memory: 01000}", "write it in plain decimal digits", "01000"),
    ("vm: {memory: 512.0}", "vm.memory must be a whole number", "512.0"),
    (f"vm: {{memory: {'9' * 5000}}}", "vm.memory must be a whole number, 64 to 1048576", "9" * 5),
    (f"nix: {{settings: {{a: {'9' * 5000}}}}}", "at most 18 digits", "9" * 5),
    ("vm: {forward: {2222:22}}", "a key of vm.forward must be a port (1 to 65535); got 2222:22; write a space", "2222:22"),
    ("vm: {forward: {0: 22}}", "a key of vm.forward must be a port, 1 to 65535; got 0", "0"),
    ("vm: {forward: {22: 65536}}", "vm.forward.22 must be a port, 1 to 65535; got 65536", "65536"),
    ("vm: {forward: {22: 1, 22: 2}}", 'duplicate key "22"', "22"),
    ("vm: {forward: {'22': 1}}", "leave the quotes out", "'22'"),
    ("nix: {enable: yes}", "nix.enable must be true or false; got yes; write true", "yes"),
    ("nix: {enable: 'true'}", "write true, without quotes", "'true'"),
    ("nix: {enable: 1}", "nix.enable must be true or false; got 1", "1"),
    ("nix: {settings: {a: off}}", 'write false, or "off" for the text', "off"),
    ("nix: {settings: {a: 1.5}}", 'write "1.5"', "1.5"),
    ("nix: {settings: {a: 010}}", 'write "010"', "010"),
    ("nix: {settings: {a: [b]}}", "nix.settings.a must be text of one line, a whole number or true or false; got a list", "["),
    # lists and packages
    ("kernel: {modules: [dm_mod, tun, dm-mod]}", 'kernel.modules has "dm_mod" twice; the first is on line 2', "dm-mod"),
    ("system: {packages: [a1, b1: {closure: depends}, b1]}", '"b1" twice, with other settings', "b1"),
    ("system: {packages: [{a1: {}, b1: {}}]}", "must be a name, or a map with one name: `NAME: {closure: …}`; got a map", "{"),
    ("system:\n  packages:\n    - a1:\n      closure: elf", "with the settings indented below the name", "a"),
    ("system: {packages: [a1: {name: b1}]}", 'unknown key "name" in system.packages.a1', "name"),
    ("system: {packages: [a1: {clsure: elf}]}", 'did you mean "closure"?', "clsure"),
    ("system: {packages: [{a1: }]}", "system.packages.a1 is empty", "^"),
    ("system: {packages: [a1, ]\n}\nservices: {s: {run: x, packages: [a1: {closure: elf}]}}",
     "services.s.packages has a1 with other settings than system.packages", "["),
    # across keys
    ("network: {interface: eth1}", "network.address is missing", "{"),
    ("network: static", "network.address is missing", "static"),
    ("network: {method: dhcp, address: 10.0.2.15/24}", "network.address needs method: static", "10.0.2.15/24"),
    (STATIC % "gateway: 10.0.3.2", "network.gateway 10.0.3.2 is not in the subnet of 10.0.2.15/24", "10.0.3.2"),
    (STATIC % "gateway: 10.0.2.15", "network.gateway is the machine's own address", "10.0.2.15"),
    ("network: {address: 10.0.2.0/24}", "is the subnet's own address", "10.0.2.0/24"),
    ("network: {address: 10.0.2.255/24}", "is the subnet's broadcast address", "10.0.2.255/24"),
    ("services: {a: {unit: nginx}}", "services.a.unit must be a systemd service", "nginx"),
    ("services: {a: {unit: a.socket}}", "services.a.unit must be a systemd service", "a.socket"),
    ("services: {a: {unit: ./nope.service}}", "services.a.unit: nope.service does not exist", "./nope.service"),
    ("services: {a: {set: {limit: 1}}}", "a key of services.a.set must be a key of a systemd unit", "limit"),
    ("services: {a: {run: x, set: {Nice: 1}}}", "a service with run takes no set; its keys are for a", "set"),
    ("services: {a: {run: x, unit: a.service}}", "a service with run takes no unit; leave out one", "unit"),
    ("services: {a: {run: x, environment: {A: 1}}}", "no environment; write export NAME=value", "environment"),
    ("services: {a: {environment: {A-B: 1}}}", "must be the name of an environment variable", "A-B"),
    ("services: {a: {}, b: {unit: a.service}}", "a and b have the same unit, a.service; a is on", "a.service"),
    ("services: {ssh: {}}", "ssh.service does the same as the built-in service sshd; leave it out", "ssh"),
    ("services: {log: {unit: rsyslog.service}}", "or turn that off with syslog: false", "log"),
    ("timers: {a: {}}", "a timer needs either run or unit", "{"),
    ("timers: {a: {unit: a.service}}", "timers.a.unit must be a systemd timer", "a.service"),
    ("timers: {a: {unit: a.timer, every: day}}", "a timer with unit takes no every; its unit has", "every"),
    ("timers: {a: {run: x}}", "a timer with run needs every: hour, day, week or a period", "{"),
    ("timers: {a: {run: x, every: day, set: {Nice: 1}}}", "a timer with run takes no set", "set"),
    ("services: {a: {source: .}}", "services.a.source: . has no file named run", "."),
    ("services: {a: {run: x, source: ok}}", "not both; run is on line 2", "source"),
    ("services: {a: {source: nope}}", "services.a.source: nope does not exist", "nope"),
    ("services: {a: {source: file}}", "services.a.source: file is not a folder", "file"),
    ("services: {a: {source: weak}}", "weak/run is not executable; chmod +x it", "weak"),
    ("services: {sshd: {run: x}}", "the service sshd is built in", "sshd"),
    ("nix: {enable: true}\nservices: {nix-daemon: {run: x}}", "turn it off with nix.enable: false", "nix-daemon"),
    ("etc: {a: {}}", "a file in etc needs either text or source", "{"),
    ("etc: {a: {text: x, source: file}}", "not both; text is on line 2", "source"),
    ("etc: {a: {source: .}}", "is not a file", "."),
    ("etc: {a: {source: nope}}", "etc.a.source: nope does not exist", "nope"),
    ("etc: {a: {text: x}, a/b/c: {text: y}}", "etc.a/b/c lies below etc.a, which is a file, on line 2", "a/b/c"),
    ("etc: {passwd: {text: x}}", "/etc/passwd is made by Notos", "passwd"),
    ("etc: {runit/1: {text: x}}", "/etc/runit is made by Notos", "runit/1"),
    ("kernel_params: [" + "a" * 1000 + ", " + "b" * 1047 + "]", "kernel_params make the kernel's command line 99 bytes too long; leave some out", "kernel_params"),
    ("kernel_params: [quiet, systemConfig=/x]", "systemConfig= is set by runvm.sh", "systemConfig=/x"),
    ("kernel_params: [realroot=/dev/vdb]", "realroot= needs a drive; write disk: 10G", "realroot=/dev/vdb"),
    ("services: {web: {run: x}, web.log: {run: x}}", "has the name of the log of web, on line 2", "web.log"),
    ("network: {address: 10.0.2.15/24}\ntime_servers: [10.0.2.9, pool.ntp.org]", "pool.ntp.org is a name, and the machine has no name server", "pool.ntp.org"),
    ("initrd: {packages: [e2fsprogs]}", "write packages: [busybox-static, e2fsprogs]", "packages"),
    (f"ssh: {{authorized_keys: [ssh-rsa {KEY}]}}", "is truncated or not of type ssh-rsa", f"ssh-rsa {KEY}"),
    ("ssh: {authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI]}", "is truncated", "ssh-ed25519 AAAAC3NzaC1lZDI"),
    ("etc: {sysusers.d/a.conf: {text: 'x y'}}", "a line of type x is not understood; use u, g or m", "'x y'"),
    ("etc: {sysusers.d/a.conf: {text: 'u a - The web /srv'}}", 'write u a - "A description" /home/a /bin/sh', "'u a - The web /srv'"),
    ("etc:\n  sysusers.d/a.conf:\n    text: |\n      # fine\n      u a -\n      u b - 'x\n", "No closing quotation", "u b - 'x"),
    ("etc: {sysusers.d/a.conf: {source: accounts}}", "accounts:2: a line of type q is not understood", "accounts"),
    ("etc:\n  sysusers.d/a.conf:\n    text: >\n      u a -\n\n      q b\n", "a line of type q is not", "text"),
    ("etc: {sysusers.d/a.conf: {source: /proc/self/mem}}", "cannot read /proc/self/mem: Input/output error", "/proc/self/mem"),
    ("etc: {sysusers.d/web: {text: u a}}", "is not read: files in sysusers.d must be named NAME.conf", "sysusers.d/web"),
    ("etc: {tmpfiles.d/a.conf: {text: d}}", "a line of tmpfiles.d needs a type and a path", "d"),
    ("etc: {tmpfiles.d/a.conf: {text: d /opt/x}}", "/opt/x cannot be created: only /run, /var", "d /opt/x"),
    # imports
    ("imports: a.yaml", "imports must be a list of paths", "a.yaml"),
    ("imports: [nope.yaml]", "cannot read nope.yaml: No such file or directory", "nope.yaml"),
    ("imports: [.]", "cannot read .: Is a directory", "."),
    ("imports: [c.yaml]", "c.yaml imports itself", "c.yaml"),
    ("imports: [[a]]", "imports must be text; got a list", "["),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("services: {NAME: {run: x}}", 64),
        ("boot: {NAME: x}", 64),
        ("timers: {NAME: {every: day, run: x}}", 64),
        ("system: {scripts: {NAME: x}}", 64),
        ("users: {NAME: {}}", 31),
        ("groups: {NAME: {}}", 31),
        ("hostname: NAME", 63),
        ("network: {search: [NAME]}", 253),
        ("network: {NAME: dhcp}", 15),
        ("vm: {networks: {eth1: NAME}}", 64),
    ],
)
def test_a_name_that_is_too_long(write: Write, text: str, most: int) -> None:
    assert (
        f"at most {most}" in problems(write(c=f"name: x\n{text.replace('NAME', 'a' * 300)}\n")).split("\n")[0]
    )


@pytest.mark.parametrize(("text", "says", "at"), WRONG, ids=[text[:40] for text, _, _ in WRONG])
def test_wrong(write: Write, tmp_path: Path, text: str, says: str, at: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "accounts").write_text("u a -\nq b\n")
    for name, mode in (("ok", 0o755), ("weak", 0o644)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run").touch(mode)
    lines = problems(write(c=f"name: x\n{text}\n")).split("\n")
    assert len(lines) == 3, "one problem: where and what, the line, the caret"
    head, line, carets = lines
    assert head.startswith("c.yaml:")
    assert says in head
    number = int(head.split(":")[1])
    source = f"name: x\n{text}".split("\n")[number - 1]
    if len(source) < 98:
        assert line == "  " + source.rstrip()
    assert set(carets) <= {" ", "^"}
    start = carets.index("^")
    if at != "^":
        assert line[start:].startswith(at)
        if at not in ("[", "{") and len(line) < 98:
            assert len(carets) - start == len(at)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root's rights while the context is open; any other user has none to drop."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


UNREADABLE = [
    ("etc: {sysusers.d/a.conf: {source: closed}}", "cannot read closed: Permission denied"),
    ("etc: {motd: {source: closed}}", "cannot read closed: Permission denied"),
    ("etc: {motd: {source: shut/file}}", "cannot read shut/file: Permission denied"),
    ("etc: {motd: {source: dark/file}}", "dark/file does not exist"),
    ("services: {web: {source: web}}", "cannot read web/log: Permission denied"),
    ("services: {web: {source: shut/web}}", "cannot read shut/web: Permission denied"),
    ("imports: [closed]", "cannot read closed: Permission denied"),
    ("imports: [shut/x.yaml]", "cannot read shut/x.yaml: Permission denied"),
    ("imports: [dark/x.yaml]", "cannot read dark/x.yaml: No such file or directory"),
]


@pytest.mark.parametrize(("text", "says"), UNREADABLE, ids=[text for text, _ in UNREADABLE])
def test_unreadable_files(write: Write, monkeypatch: pytest.MonkeyPatch, text: str, says: str) -> None:
    """An unreadable file is one problem, at the line that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        Path(folder).chmod(0o755)  # pytest's own folders are closed to other users
        config_file = write(c=f"name: x\n{text}\n")
        Path("web").mkdir()
        Path("web/run").touch(0o755)
        Path("closed").touch(0)
        for path, mode in (("shut", 0), ("dark", 0o111), ("web/log", 0)):
            Path(path).mkdir(mode)
        with as_nobody():
            said = problems(config_file).replace(f"{folder}/", "")
        for path in ("shut", "dark", "web/log"):
            Path(path).chmod(0o700)
        monkeypatch.undo()
    (head,) = [line for line in said.split("\n") if line.startswith("c.yaml:")]
    assert head.startswith("c.yaml:2: ")
    assert says in head


def test_names_of_disabled_built_in_services_are_free(write: Write) -> None:
    text = "name: x\nssh: {server: none}\nservices: {sshd: {run: x}, nix-daemon: {run: x}}"
    assert set(load(write(c=text)).services) == {"sshd", "nix-daemon"}


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("", {2222: 22}),
        ("vm: {memory: 128}", {2222: 22}),
        ("vm: {forward: {}}", {}),
        ("vm: {forward: {8080: 80}}", {8080: 80, 2222: 22}),
        ("vm: {forward: {2200: 22}}", {2200: 22}),
        ("vm: {forward: {2222: 80}}", {2222: 80}),
        ("vm: {forward: {2222: 80, 2200: 22}}", {2222: 80, 2200: 22}),
        ("ssh: {server: dropbear}", {2222: 22}),
        ("ssh: {server: none}", {}),
        ("ssh: {server: none}\nvm: {forward: {8080: 80}}", {8080: 80}),
        ("ssh: {server: none}\nvm: {forward: {2222: 22}}", {2222: 22}),
        ("imports: [d.yaml]", {9090: 90, 2222: 22}),
        ("imports: [d.yaml]\nvm: {forward: {}}", {9090: 90, 2222: 22}),
    ],
)
def test_a_port_is_forwarded_to_ssh_by_default(write: Write, text: str, forward: dict[int, int]) -> None:
    path = write(c=f"name: x\n{text}\n", d="vm: {forward: {9090: 90}}\n")
    assert load(path).vm.forward == forward


def test_the_longest_command_line_is_accepted(write: Write) -> None:
    params = f"[{'a' * 1000}, {'b' * 948}]"
    machine = load(write(c=f"name: x\nkernel_params: {params}\n"))
    assert len(str(command_line(machine, registry.features(machine)))) == 2047


def test_point_to_point_addresses_have_no_broadcast(write: Write) -> None:
    text = "name: x\nnetwork: {address: 10.0.0.0/31, gateway: 10.0.0.1}"
    assert load(write(c=text)).network.gateway == "10.0.0.1"


def test_all_problems_at_once_in_order(write: Write) -> None:
    path = write(
        c="hostname: a_b\nvm: {memory: 1, cpus: x}\nimports: [d.yaml, e.yaml]\nzzz: 1\n",
        d="vm: {accel: x}\nservices: {a: {unit: x}}\n",
        e="network: {adress: 1}\n",
    )
    heads = [line.split(" ")[0] for line in problems(path).split("\n")[::3]]
    assert heads == ["c.yaml:1:"] * 2 + ["c.yaml:2:"] * 2 + [
        "c.yaml:4:",
        "d.yaml:1:",
        "d.yaml:2:",
        "e.yaml:1:",
    ]


def test_many_problems_are_counted(write: Write) -> None:
    lines = "".join(f"key{number}: 1\n" for number in range(150))
    assert problems(write(c="name: x\n" + lines)).endswith("\n… and 50 more problems")


def test_configs_override_their_imports(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "motd").touch()
    (tmp_path / "sub" / "low.yaml").write_text("hostname: low\netc: {motd: {source: motd}}\nvm: {cpus: 2}\n")
    path = write(
        c="imports: [a.yaml, b.yaml]\nname: c\nkernel: {modules: [tun, loop]}\nvm: {memory: 128}\n",
        a="imports: [sub/low.yaml]\nname: a\nkernel: {modules: [overlay]}\nnetwork: {address: 10.0.2.15/24}\n",
        b="imports: [sub/low.yaml]\nkernel: {modules: [loop, squashfs]}\nnetwork: dhcp\nvm: {memory: 64, cpus: 3}\n",
    )
    loaded = loader.load(path)
    assert loaded.files == (Path("c.yaml"), Path("a.yaml"), Path("sub/low.yaml"), Path("b.yaml"))
    machine = loaded.machine
    assert (machine.name, machine.hostname) == ("c", "low")
    assert machine.kernel.modules == ("overlay", "loop", "squashfs", "tun")
    assert machine.network == Network(method="dhcp")
    assert (machine.vm.memory, machine.vm.cpus) == (128, 3)
    assert machine.etc[RelativePath("motd")].source == str(tmp_path / "sub" / "motd")


def test_a_problem_names_the_file_that_causes_it(write: Write) -> None:
    path = write(
        c="imports: [d.yaml]\nname: x\nnetwork: {gateway: 10.9.9.9}\n", d="network: {address: 10.0.2.15/24}\n"
    )
    assert problems(path).startswith("c.yaml:3: network.gateway 10.9.9.9 is not in the subnet")
    path = write(
        c="imports: [d.yaml]\nname: x\nservices: {a: {run: x}}\n", d="services: {a: {source: nope}}\n"
    )
    said = problems(path).split("\n")
    # Each of the two is a problem of its own.
    assert said[0] == "d.yaml:1: a service takes either run or source, not both; run is in c.yaml:3"
    assert said[3] == "d.yaml:1: services.a.source: nope does not exist"
    assert len(said) == 6
    path = write(
        c="imports: [d.yaml]\nname: x\nsystem: {packages: [a1]}\n",
        d="system: {packages: [a1: {only: [x]}]}\n",
    )
    assert (
        'c.yaml:3: system.packages has "a1" twice, with other settings; the first is in d.yaml:1'
        in problems(path)
    )


def test_circular_imports(write: Write) -> None:
    path = write(c="imports: [d.yaml]\nname: x\n", d="imports: [e.yaml]\n", e="imports: [./c.yaml]\n")
    assert problems(path).startswith("e.yaml:1: c.yaml imports itself through this line\n")


def test_imports_nested_too_deeply(write: Write, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"n{number}.yaml").write_text(f"imports: [n{number + 1}.yaml]\n")
    assert "imports are nested too deeply" in problems(write(c="imports: [n0.yaml]\nname: x\n"))


def test_an_unreadable_import_causes_no_further_problems(write: Write) -> None:
    path = write(c="imports: [d.yaml]\nnetwork: {gateway: 10.0.2.2}\nvm: {cpus: 0}\n", d="name: 'x\n")
    text = problems(path)
    assert text.count("\n") == 5
    assert "d.yaml:1: this is not YAML" in text
    assert "c.yaml:3: vm.cpus must be" in text


def test_a_missing_name(write: Write) -> None:
    assert problems(write(c="hostname: x\n")).startswith("c.yaml:1: name is missing")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_empty(write: Write, text: str) -> None:
    assert problems(write(c=text)) == "c.yaml is empty: the smallest config is `name: NAME`"
    assert load(write(c="imports: [d.yaml]\nname: x\n", d=text)).name == "x"


@pytest.mark.parametrize("text", ["word", "[a]", "'quoted'"])
def test_not_a_map(write: Write, text: str) -> None:
    assert problems(write(c=text)).startswith("c.yaml:1: a config is a map of keys")


def test_no_such_config(tmp_path: Path) -> None:
    assert problems(tmp_path / "no.yaml").startswith(
        f"cannot read {tmp_path}/no.yaml: No such file or directory: "
    )
    assert problems(tmp_path).startswith(f"cannot read {tmp_path}: Is a directory")


def loads_or_raises_config_error(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        assert isinstance(loader.load(path).machine, Machine)
    except ConfigError as error:
        assert str(error).startswith((f"{path}:", f"{path} is empty", f"cannot read {path}"))


FILE = settings(suppress_health_check=FIXTURES)


@FILE
@given(st.binary() | st.text().map(str.encode))
@example(b"\xff\xfe")
@example(b"name: &x [*x]")
@example("imports: ['\N{COMBINING ACUTE ACCENT}']".encode())
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    loads_or_raises_config_error(tmp_path / "c.yaml", data)


PIECES = ["no", "yes", "~", "0644", "1:30", "[]", "{}", "[a, a]", "{a: b}", "&x", "*x", "<<", "!!str", "'", '"', "\t",
          "\n", ": ", "- ", "|", ">", "%", "\0", "\x85", "é", "日", "9" * 5000, "imports: [c.yaml]", "-1", "", "\\", "\ufeff"]  # fmt: skip


@FILE
@given(
    st.lists(st.tuples(st.integers(0, len(SEED)), st.integers(0, 30), st.sampled_from(PIECES)), max_size=4)
)
def test_any_mutation_of_the_seed(tmp_path: Path, edits: list[tuple[int, int, str]]) -> None:
    text = SEED
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    loads_or_raises_config_error(tmp_path / "c.yaml", text.encode())


@FILE
@given(st.randoms(use_true_random=False), st.sampled_from([*PIECES, "word", "12", "true"]))
def test_any_value_of_the_seed_replaced(tmp_path: Path, chance: random.Random, piece: str) -> None:
    lines = SEED.split("\n")
    number = chance.randrange(len(lines))
    head, colon, _ = lines[number].partition(":")
    lines[number] = f"{head}{colon} {piece}" if colon else f"{head} {piece}"
    loads_or_raises_config_error(tmp_path / "c.yaml", "\n".join(lines).encode())

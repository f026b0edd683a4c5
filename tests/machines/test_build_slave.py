"""Remote builds by Nix on this host in the machine of examples/build-slave.yaml, set up by `doit builder`."""

import base64
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from notos.store.store import StoreObject
from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project

NAME = "slave"
CONFIG = f"""
name: {NAME}
imports: [examples/build-slave.yaml]
disk: {{size: 2G}}
vm: {{memory: 1024, cpus: 1}}
"""
EXPRESSION = r"""
let
  source = builtins.toFile "source" "from the host for ${builtins.getEnv "SALT"}\n";
  make = name: text: derivation {
    name = "${builtins.getEnv "SALT"}-${name}";
    system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" text ];
  };
in rec {
  # The kernel's command line is the machine's own, also in the sandbox.
  first = make "first" ''
    for each in ${source} /proc/cmdline; do read -r line <$each; echo $line; done >$out
  '';
  second = make "second" "while read -r line; do echo second: $line; done <${first} >$out";
  fails = make "fails" "echo this is why; echo and this >&2; exit 3";
}
"""
REMOTE = "on 'ssh-ng://root@build-slave"


@dataclass(frozen=True)
class Host:
    """Nix with its own store and only ssh in its PATH, in a shell that evaluates `exports`."""

    root: Path
    exports: str

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {
            "HOME": str(self.root / "home"),
            "NIX_CONF_DIR": str(self.root / "etc"),
            "NIX_BIN_DIR": str(self.root / "bin"),  # it is run by a loader, and would take that for itself
            "PATH": str(self.root / "bin"),
        }
        return subprocess.run(
            ["/bin/sh", "-euc", 'eval "$1"; shift; exec "$@"', "sh", self.exports, *words],
            cwd=self.root,
            env={**own, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def build(self, attribute: str, salt: str) -> subprocess.CompletedProcess[str]:
        words = ("nix-build", "-j", "0", "--no-out-link", "default.nix", "-A", attribute)
        return self.run(*words, SALT=salt)

    def read(self, path: str) -> str:
        """Return the text of a file in its store; Nix must call the path valid."""
        valid = self.run("nix-store", "--check-validity", path)
        assert valid.returncode == 0, valid.stderr
        return Path(f"{self.root}/{path}").read_text()


@pytest.fixture(scope="module")
def slave(built: Project) -> Project:
    return built.build(NAME, CONFIG)


@pytest.fixture(scope="module")
def machine(slave: Project, machine_factory: MachineFactory) -> Machine:
    machine = machine_factory.at(slave.script, scope="module")
    machine.wait_until_succeeds("[ -S /nix/var/nix/daemon-socket/socket ]")
    return machine


@pytest.fixture(scope="module")
def host(
    slave: Project,
    machine: Machine,
    tool: Callable[[str], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Host:
    root = tmp_path_factory.mktemp("host")
    (root / "bin").mkdir()
    for name in ("nix", "nix-build", "nix-store", "ssh"):
        script = root / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {" ".join(tool(name))} "$@"\n')
        script.chmod(0o755)
    (root / "etc").mkdir()
    (root / "etc/nix.conf").write_text(f"store = local?root={root}\nbuild-users-group =\nsubstituters =\n")
    (root / "default.nix").write_text(EXPRESSION)
    return Host(root, slave.doit("config=slave.yaml", "builder", SSH_PORT=str(machine.forward(22))).stdout)


def test_a_chain_is_built_there_and_copied_back(host: Host, machine: Machine, slave: Project) -> None:
    done = host.build("second", "chain")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(REMOTE) == 2
    second = done.stdout.strip()
    moved = [line.split("'")[1] for line in done.stderr.splitlines() if line.startswith("copying path '")]
    source, first, brought = moved
    assert brought == second
    assert source.endswith("-source")
    toplevel = StoreObject.from_json((slave.root / f"build/{NAME}/manifests/toplevel.json").read_bytes())
    text, cmdline = host.read(first).splitlines()
    assert text == "from the host for chain"
    assert f"systemConfig={toplevel.path} realroot=/dev/vdb" in cmdline
    assert host.read(second) == f"second: from the host for chain\nsecond: {cmdline}\n"
    # The machine's own database has the built and the received paths.
    assert sorted(machine.succeed(f"nix path-info {' '.join(moved)}").split()) == sorted(moved)
    # Nothing is built twice.
    assert REMOTE not in host.build("second", "chain").stderr


def test_a_failing_build_shows_its_log(host: Host) -> None:
    done = host.build("fails", "failing")
    assert done.returncode == 1
    assert REMOTE in done.stderr
    assert "> this is why\n" in done.stderr
    assert "> and this\n" in done.stderr
    assert "failed with exit code 3" in done.stderr


def test_another_machine_is_refused(host: Host, tool: Callable[[str], list[str]]) -> None:
    """A machine whose host key differs from the one in `builders` is refused."""
    right = host.exports.split("'")[1].split()[-1]
    other = host.root / "other"
    subprocess.run([*tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    wrong = base64.b64encode(other.with_suffix(".pub").read_bytes()).decode()
    stranger = Host(host.root, host.exports.replace(right, wrong))
    assert stranger != host
    done = stranger.build("first", "stranger")
    assert done.returncode
    assert "Host key verification failed" in done.stderr
    assert not list(host.root.glob("nix/store/*-stranger-first"))
    assert host.build("first", "stranger").returncode == 0


def test_automatic_garbage_collection(host: Host, machine: Machine) -> None:
    """Below min-free, outputs of earlier builds are deleted, but nothing of the system."""
    earlier = host.build("first", "earlier").stdout.strip()
    system = machine.succeed("nix-store -q --requisites /run/current-system")
    machine.succeed(f"ls {earlier} && fallocate -l 1300M /root/filling")
    assert host.build("first", "later").returncode == 0
    assert machine.succeed(f"ls {earlier} 2>/dev/null || echo gone") == "gone\n"
    assert machine.succeed("nix-store -q --requisites /run/current-system") == system
    machine.succeed("rm /root/filling; nix-store --verify --check-contents")
    assert "for earlier" in host.read(earlier)

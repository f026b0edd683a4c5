"""The output of `doit builder`, for a shell to evaluate, and its errors."""

import base64
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Project

EXAMPLE = "examples/build-slave.yaml"


def variables(built: Project, config: str, *words: str, **environment: str) -> dict[str, str]:
    """Return the values of the variables after a shell has evaluated the output."""
    output = built.doit(
        f"config={config}", *words, "builder", environment={"SSH_PORT": "", "NIX_CONFIG": "", **environment}
    ).stdout
    shell = 'eval "$1"; for each in "$NIX_CONFIG" "$NIX_SSHOPTS"; do printf "%s\\0" "$each"; done'
    done = subprocess.run(["sh", "-euc", shell, "sh", output], capture_output=True, text=True, check=True)
    return dict(zip(("config", "ssh"), done.stdout.split("\0"), strict=False))


def test_the_example(built: Project) -> None:
    printed = variables(built, EXAMPLE)
    name, _, value = printed["config"].partition(" = ")
    assert name == "builders"
    where, systems, key, jobs, speed, features, mandatory, host = value.split(" ")
    assert where == "ssh-ng://root@build-slave?remote-store=daemon"
    assert (systems, jobs, speed, mandatory) == ("x86_64-linux", "2", "1", "-")
    assert "big-parallel" in features.split(",")
    assert Path(key).with_suffix(".pub").read_text().startswith("ssh-ed25519 ")
    assert base64.b64decode(host) == Path(key).with_name("host_ed25519.pub").read_bytes()
    assert "-p 2223 " in printed["ssh"]
    assert "StrictHostKeyChecking=yes" in printed["ssh"]


def test_settings_of_the_environment_and_the_config(built: Project) -> None:
    (built.root / "own.yaml").write_text(
        f"name: own\nimports: [{EXAMPLE}]\n"
        "nix: {settings: {max-jobs: 7, system-features: a b, extra-platforms: i686-linux}}\n"
    )
    earlier = "experimental-features = nix-command\nbuilders = ssh://other\ncores = 3"
    printed = variables(built, "own.yaml", SSH_PORT="2299", NIX_CONFIG=earlier)
    *others, line = printed["config"].splitlines()
    assert others == ["experimental-features = nix-command", "cores = 3"]
    fields = line.split()
    assert (fields[3], fields[5], fields[7]) == ("x86_64-linux,i686-linux", "7", "a,b")
    assert "-p 2299 -o HostName=127.0.0.1 " in printed["ssh"]
    printed = variables(built, "own.yaml", "host=192.0.2.7", SSH_PORT="2299")
    assert "-p 22 -o HostName=192.0.2.7 " in printed["ssh"]


@pytest.mark.parametrize(
    ("text", "cache", "message"),
    [
        ("nix: {enable: false}", None, "machine bad has no Nix: write nix: {enable: true} in the config"),
        ("ssh: {server: none}", None, "has no ssh server: write ssh: {server: openssh} in the config"),
        ("", "none", "/none/ssh yet: doit runvm makes them"),
        ("", "a b", "Nix does not accept ' ' in a path: @: set NOTOS_CACHE to another folder"),
    ],
)
def test_errors(built: Project, tmp_path: Path, text: str, cache: str | None, message: str) -> None:
    """An error is one line on standard error; a shell evaluates standard output, which stays empty."""
    (built.root / "bad.yaml").write_text(f"name: bad\nimports: [{EXAMPLE}]\n{text}\n")
    own = {}
    if cache is not None:
        own = {"NOTOS_CACHE": str(tmp_path / cache)}
        (tmp_path / "a b/ssh").mkdir(parents=True)
        (tmp_path / "a b/ssh/host_ed25519.pub").write_text("ssh-ed25519 AAAA notos\n")
    done = built.doit("config=bad.yaml", "builder", check=False, environment=own)
    assert done.returncode
    assert done.stdout == ""
    assert done.stderr.startswith("FAILED   builder: ")
    assert done.stderr.endswith(message.replace("@", f"{tmp_path}/a b/ssh/id_ed25519") + "\n")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("task", ["builder", "ssh"])
def test_a_machine_without_a_forwarded_ssh_port(built: Project, task: str) -> None:
    text = (built.root / EXAMPLE).read_text().replace("forward: {2223: 22}", "forward: {}")
    (built.root / "examples/shut.yaml").write_text(text)
    done = built.doit("config=examples/shut.yaml", task, check=False, SSH_PORT="")
    assert done.returncode
    assert done.stdout == ""
    assert "no port leads to the machine's ssh: add 2222: 22 to vm.forward in the config" in done.stderr

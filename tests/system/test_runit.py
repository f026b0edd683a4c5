"""The runit object: which fragments and services a machine gets."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from notos import loader
from notos.config.model import Machine, Network, Service, ShellText, Ssh
from notos.errors import ScriptError
from notos.features import registry
from notos.features.join import join
from notos.features.model import Feature, Script
from notos.features.model import Service as RunitService
from notos.formats.tree import File, Symlink, Tree
from notos.system import runit
from tests.conftest import Tool

ROOT = Path(__file__).resolve().parents[2]
STEP = (ROOT / "scripts/step").read_text()
SOURCE = Tree.from_directory(ROOT / "runit")
SOURCE.text("step", STEP, executable=True)
DEFAULT = loader.load(ROOT / "config.yaml").machine


def made(machine: Machine) -> Tree:
    return runit.build(registry.features(machine), SOURCE)


def text(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    assert isinstance(entry, File)
    return entry.read().decode()


def test_the_default_machine() -> None:
    tree = made(DEFAULT)
    assert tree.children()["boot"] == [
        "05-modules",
        "06-sysctl",
        "09-instance",
        "10-hostname",
        "11-resolv-conf",
        "20-network",
        "40-ssh-keys",
        "50-ssh-host-key-openssh",
        "60-time",
        "70-power-button",
    ]
    assert tree.children()["services"] == ["nix-daemon", "sshd", "syslog"]
    assert "\nip address add 10.0.2.15/24 dev eth0\n" in text(tree, "boot/20-network")
    assert tree.get("services/sshd/supervise") == Symlink("/run/runit/sshd")
    plain = {path for path, entry in tree.items() if isinstance(entry, File) and not entry.executable}
    assert plain == {"services/nix-daemon/reads", "services/sshd/reads"}
    assert text(tree, "services/nix-daemon/reads") == "nix/*\n"


def test_features_are_files_taken_or_left() -> None:
    machine = replace(DEFAULT, time_servers=(), ssh=Ssh(server="none"), network=Network(method="dhcp"))
    tree = made(machine)
    assert tree.children()["boot"] == [
        "05-modules",
        "06-sysctl",
        "10-hostname",
        "11-resolv-conf",
        "20-network",
        "70-power-button",
    ]
    assert "udhcpc" in tree
    assert tree.children()["services"] == ["nix-daemon", "syslog"]


def test_a_microvm_has_no_power_button() -> None:
    """A microvm has no ACPI."""
    tree = made(replace(DEFAULT, vm=replace(DEFAULT.vm, machine="microvm")))
    assert "70-power-button" not in tree.children()["boot"]


def test_services_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\nexec sleep 1\n")
    (tmp_path / "finish").write_text("#!/bin/sh\n")
    services = {
        "web": Service(run=ShellText("exec httpd -f"), log=True),
        "own": Service(source=str(tmp_path)),  # type: ignore[arg-type]
    }
    tree = made(replace(DEFAULT, services=services))  # type: ignore[arg-type]
    assert text(tree, "services/web/run") == "#!/bin/sh\nexec 2>&1\nexec httpd -f\n"
    assert "svlogd -tt" in text(tree, "services/web/log/run")
    assert tree.get("services/web/log/supervise") == Symlink("/run/runit/web.log")
    assert "backoff" in text(tree, "services/web/finish")
    assert text(tree, "services/own/finish") == "#!/bin/sh\n"


def test_a_missing_file_is_an_error() -> None:
    source = Tree.from_directory(ROOT / "runit")
    source.text("step", STEP, executable=True)
    source.remove("boot/10-hostname")
    with pytest.raises(ScriptError, match="runit/boot/10-hostname is missing"):
        runit.build(registry.features(DEFAULT), source)


def test_a_feature_from_outside(tmp_path: Path) -> None:
    """Its shell files are named by absolute paths."""
    (tmp_path / "80-own").write_text("#!/bin/sh\nwhat=@what@\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/run").write_text("#!/bin/sh\nexec sleep 1\n")
    feature = Feature(
        scripts=(Script(path="boot/80-own", source=str(tmp_path / "80-own"), values={"what": "a b"}),),
        services=(RunitService(name="own", folder=str(tmp_path / "own"), reads=("own/*",)),),
    )
    tree = runit.build(join([feature]), SOURCE)
    assert text(tree, "boot/80-own") == "#!/bin/sh\nwhat='a b'\n"
    assert text(tree, "services/own/reads") == "own/*\n"
    with pytest.raises(ScriptError, match="/gone is missing"):
        runit.build(join([Feature(scripts=(Script(path="boot/1", source="/gone"),))]), SOURCE)


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (("poweroff",), "0"),
        (("halt", "-p"), "0"),
        (("shutdown", "-h", "now"), "0"),
        (("shutdown", "-r", "now"), "6"),
        (("shutdown", "-P", "+0"), "0"),
        (("shutdown", "-r", "0", "a message, +10 -c"), "6"),
        (("shutdown", "-hr", "--no-wall", "now", "a", "message"), "6"),
        (("reboot",), "6"),
        (("reboot", "-f"), "6"),
        (("shutdown", "--help"), ""),
        (("shutdown", "-c"), ""),
        (("shutdown", "-r", "+10"), ""),
        (("shutdown", "22:00"), ""),
        (("shutdown", "-h", "-t", "5", "now"), ""),
        (("poweroff", "-"), ""),
        (("reboot", "--help"), ""),
    ],
)
def test_shutdown_does_only_what_its_words_say(tmp_path: Path, words: tuple[str, ...], level: str) -> None:
    """A later time or --help does not end the machine. A message may follow the time."""
    program = tmp_path / words[0]
    script = (ROOT / "runit/shutdown").read_text()
    program.write_text(script.replace("exec /usr/sbin/runit-init", "exec echo level"))
    done = subprocess.run(["sh", program, *words[1:]], capture_output=True, text=True, check=False)
    assert done.stdout == (f"level {level}\n" if level else "")
    assert (done.returncode == 0) == bool(level)
    assert done.stderr.startswith(f"usage: {words[0]} ") != bool(level)


def test_first_states(tmp_path: Path) -> None:
    """They are numbered. Services of the config wait for them; those of Notos do not."""
    services = "services: {web: {run: exec sleep 1}, app: {run: exec sleep 1}}"
    (tmp_path / "c.yaml").write_text(f"name: x\n{services}\n")
    features = registry.features(loader.load(tmp_path / "c.yaml").machine)
    assert "first-state" not in runit.build(features, SOURCE)
    tree = runit.build(features, SOURCE, states=["ssl-cert", "postfix"])
    assert tree.children()["first-states"] == ["00-ssl-cert", "01-postfix", "waiting"]
    assert text(tree, "first-states/waiting") == "web app\n"
    assert text(tree, "first-states/01-postfix") == (ROOT / "runit/first-states/postfix").read_text()
    assert {"ssl-cert", "postfix"} < set(runit.first_state_names(SOURCE))


SV = r"""#!/bin/sh
case $* in
-w\ *) sleep 0.3; echo "ended ${4##*/} within $2" >>@/log ;;
down*) echo "down ${2##*/}" >>@/log ;;
esac
"""


def stopping(root: Path, shell: list[str], order: str) -> list[str]:
    """Return what the third stage does with services of a made-up machine."""
    for name in ("app", "db", "slow", "web", "own"):
        folder = root / "run/service" / name
        folder.mkdir(parents=True)
        if name != "own":
            (folder / "stop-seconds").write_text("400\n" if name == "slow" else "20\n")
    (root / "stop-order").write_text(order)
    (root / "bin").mkdir()
    (root / "bin/sv").write_text(SV.replace("@", str(root)))
    (root / "bin/sv").chmod(0o755)
    text = (ROOT / "runit/3").read_text()
    begin, end = text.index("# Stop the services $@"), text.index("step 'Stopping processes...'")
    part = text[begin:end].replace("/run/service", f"{root}/run/service").replace("/etc/runit/", f"{root}/")
    script = f"PATH={root}/bin:$PATH\nstep() {{ :; }}\n{part}"
    subprocess.run([*shell, "sh", "-c", script], check=True, timeout=60)
    return (root / "log").read_text().splitlines()


def test_a_shutdown_stops_services_in_waves(tmp_path: Path, tool: Tool) -> None:
    log = stopping(tmp_path, [str(word) for word in tool("busybox")], "web\ndb own\n")
    assert log[:2] == ["down app", "down slow"]
    assert sorted(log[2:4]) == ["ended app within 20", "ended slow within 300"]
    assert log[4:6] == ["down web", "ended web within 20"]
    assert sorted(log[6:8]) == ["down db", "down own"]
    assert log[8] == "ended db within 20"

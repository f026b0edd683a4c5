"""A running machine that is given another system: what changes, what does not, and how it goes back."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from notos.cache import Cache
from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project, clean_environment

WEB = """
services:
  web:
    run: exec nc -ll -p 8080 -e cat /etc/web.txt
    reads: [web.txt]
etc:
  web.txt: {text: hello}
  secret: {text: hidden, mode: "0600"}
  sysusers.d/web.conf: {text: "u web - - /var/lib/web\\n"}
  tmpfiles.d/web.conf: {text: "d /var/lib/web 0750 web web\\n"}
"""


@dataclass
class Switched:
    """A machine, and the config that it is switched to."""

    vm: Machine
    project: Project
    base: str
    config: str

    @property
    def port(self) -> str:
        """Of 127.0.0.1, which leads to its ssh."""
        return str(self.vm.forward(22))

    def write(self, text: str) -> None:
        (self.project.root / self.config).write_text(f"{self.base}{text}")

    def doit(self, *words: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        words = (f"config={self.config}", *words)
        return self.project.doit(*words, check=check, environment=variables, SSH_PORT=self.port)

    def switch(self, text: str, *words: str, **variables: str) -> str:
        """Switch to the machine with `text` in its config; what it says."""
        self.write(text)
        return self.project.doit(
            f"config={self.config}", "switch", *words, environment=variables, SSH_PORT=self.port
        ).stdout

    def refused(self, text: str, *words: str, **variables: str) -> str:
        """Switch to what cannot be; the one line that says why."""
        self.write(text)
        done = self.doit("switch", *words, check=False, **variables)
        assert done.returncode == 1
        assert "Traceback" not in done.stdout + done.stderr
        return next(line for line in done.stdout.splitlines() if line.startswith("FAILED"))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run doit beside the test."""
        return subprocess.Popen(
            [sys.executable, "-m", "doit", f"config={self.config}", *words],
            cwd=self.project.root,
            env={**clean_environment(), "SSH_PORT": self.port},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ssh(self, command: str) -> str:
        return self.vm.succeed(command)

    def page(self, port: int) -> str:
        """What the service `web` says; a service runs a moment before it listens."""
        self.vm.wait_for_open_port(port)
        return self.ssh(f"nc 127.0.0.1 {port} </dev/null")

    def processes(self, *names: str) -> list[str]:
        for name in names:
            self.vm.wait_for_unit(name, steady=0)
        return self.ssh("cat " + " ".join(f"/run/runit/{name}/pid" for name in names)).split()


def booted(factory: MachineFactory, built: Project, name: str, parent: str) -> Switched:
    base = f"name: {name}\nimports: [{parent}]\n"
    project = built.build(name, f"{base}etc: {{motd: {{text: one}}}}\n")
    return Switched(factory.at(project.script, scope="module"), project, base, f"{name}.yaml")


@pytest.fixture(scope="module")
def machine(machine_factory: MachineFactory, built: Project) -> Switched:
    """The default machine; each test leaves it with a system of its own."""
    return booted(machine_factory, built, "switched", "config.yaml")


@pytest.fixture(scope="module")
def small(machine_factory: MachineFactory, built: Project) -> Switched:
    """A machine without Nix, with another ssh server."""
    return booted(machine_factory, built, "plain", "examples/minimal.yaml")


def test_a_file_in_etc(machine: Switched) -> None:
    """Only said at first; then in force, what was written into /etc kept, and no service touched."""
    before = machine.processes("sshd", "nix-daemon")
    machine.ssh("echo own >/etc/own; echo by hand >/etc/motd; echo mine >/etc/profile.d/mine.sh")
    said = machine.switch("etc: {motd: {text: two}}\n", "--dry-run")
    assert "  /etc       changed motd\n" in said
    assert re.search(r"  send       1 objects, 0\.\d MB\nnothing was done\n", said)
    assert machine.ssh("cat /etc/motd") == "by hand\n"
    assert "there are none yet" in machine.doit("generations").stdout
    said = machine.switch("etc: {motd: {text: two}}\n")
    assert "is generation 2" in said
    assert (
        "/etc/motd was modified locally; it now has the new system's contents, "
        "and /var/backups/etc/motd has the old contents" in said
    )
    assert (
        machine.ssh("cat /etc/motd /etc/own /etc/profile.d/mine.sh /var/backups/etc/motd")
        == "twoown\nmine\nby hand\n"
    )
    assert machine.processes("sshd", "nix-daemon") == before
    assert machine.ssh("stat -c %a /etc/shadow; ls /run/etc /run/notos | grep -v :").split() == ["600", "2"]
    assert "runs /nix/store/" in machine.switch("etc: {motd: {text: two}}\n")


def test_services_accounts_and_packages(machine: Switched) -> None:
    """Added, restarted where they or what they read changed, removed; what stays the same goes on."""
    machine.switch("")
    sshd, daemon = machine.processes("sshd", "nix-daemon")
    more = "system: {packages: [zstd]}\nnix: {settings: {cores: 1}}\nhostname: renamed\n"
    said = machine.switch(WEB + more)
    for line in (
        r"  accounts   added group web, user web",
        r"  packages   added zstd [0-9.]+\S*",
        r"  services   added web",
        r"  restart    nix-daemon \(/etc/nix/nix\.conf\)",
        r"  run again  10-hostname",
    ):
        assert re.search(f"^{line}$", said, re.MULTILINE), said
    assert machine.processes("sshd") == [sshd]
    assert machine.processes("nix-daemon") != [daemon]
    assert machine.page(8080) == "hello"
    assert machine.ssh("stat -c '%a %U' /var/lib/web /etc/secret; hostname").split() == [
        *("750", "web", "600", "root", "renamed")
    ]
    assert machine.ssh("echo x | zstd | zstd -d; sv status nix-daemon").startswith("x\nrun: nix-daemon")
    machine.ssh("nix-store --verify --check-contents; nix path-info -r /run/current-system >/dev/null")
    # A file that a service reads.
    said = machine.switch((WEB + more).replace("text: hello", "text: hi"))
    assert "  restart    web (/etc/web.txt)\n" in said
    assert machine.page(8080) == "hi"
    # Its own script.
    said = machine.switch((WEB + more).replace("-p 8080", "-p 8081"))
    assert "restart    web (its files)" in said
    assert machine.page(8081) == "hello"
    said = machine.switch("")
    assert "services   removed web" in said
    assert machine.ssh(
        "ls /etc/secret /run/service/web 2>&1 | grep -c 'No such'; ls /run/service"
    ).split() == [*("2", "nix-daemon", "sshd")]
    assert machine.processes("sshd") == [sshd]


def test_what_a_service_runs(machine: Switched) -> None:
    """Where a program or a library that it has in use becomes another, a service begins anew."""
    machine.switch("")
    sshd, daemon = machine.processes("sshd", "nix-daemon")
    only = "system: {packages: [openssh-server: {exclude: [etc/ssh/moduli, usr/lib/openssh/sshd-auth]}]}\n"
    # /usr is another one, but not in anything that the two have in use.
    assert "restart" not in machine.switch(only.replace("usr/lib/openssh/sshd-auth", "usr/share/*"))
    assert machine.processes("sshd", "nix-daemon") == [sshd, daemon]


def test_going_back(machine: Switched) -> None:
    """To the one before, to a named one; and what there is to go back to."""
    machine.switch("etc: {motd: {text: first}}\n")
    machine.switch("etc: {motd: {text: second}}\n" + WEB.partition("etc:")[0])
    rows = [line.split() for line in machine.doit("generations").stdout.splitlines()]
    last = int(rows[-1][0])
    assert [int(row[0]) for row in rows] == list(range(1, last + 1))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row[1]) for row in rows)
    assert rows[0][-1] == "booted"
    assert rows[-1][-1] == "runs"
    said = machine.doit("generations", str(last - 1), str(last)).stdout
    assert said == "  /etc       changed motd\n  services   added web\n"
    assert "nothing was done" in machine.doit("rollback", "--dry-run").stdout
    said = machine.doit("rollback").stdout
    assert f"is generation {last - 1}," in said
    assert machine.ssh("cat /etc/motd; ls /run/service") == "firstnix-daemon\nsshd\n"
    said = machine.doit("rollback", "to=1").stdout
    assert "is generation 1," in said
    assert machine.ssh("cat /etc/motd; readlink /nix/var/nix/profiles/system") == "onesystem-1-link\n"
    done = machine.doit("rollback", check=False)
    assert "has no generation before the present one: doit generations" in done.stdout
    done = machine.doit("rollback", "to=999", check=False)
    assert "there is no generation 999: there are 1, 2," in done.stdout
    # What the machine's own Nix makes of it.
    assert (
        machine.ssh("nix-env -p /nix/var/nix/profiles/system --list-generations | grep current").split()[0]
        == "1"
    )
    machine.ssh("nix-store --gc && nix-store --verify --check-contents")
    assert "is generation" in machine.doit("rollback", f"to={last}").stdout
    # A service that a switch stops has not failed: nothing waits before it ends or starts.
    assert not [line for line in machine.vm.console.lines if "web ended with status" in line.text]


BROKEN = """
services:
  web: {run: "echo no folder /var/www; exit 3", log: true}
  bare: {run: "sleep 0.5; exit 4"}
  good: {run: exec sleep 1000000}
"""


def test_services_that_do_not_stay_up_are_named(machine: Switched) -> None:
    """With their last words; the switch is done, and can be taken back."""
    machine.switch("etc: {motd: {text: before}}\n")
    machine.write(BROKEN)
    done = machine.doit("switch", check=False)
    assert done.returncode == 1
    assert re.search(r"^switched in \d+\.\d s; this is generation \d+, and doit rollback", done.stdout, re.M)
    assert re.search(
        r"^  web does not stay up: exit status 3\n  \| \S+ no folder /var/www\n", done.stdout, re.MULTILINE
    )
    assert re.search(
        r"^  bare does not stay up: exit status 4\n  its output is on the .*log: true",
        done.stdout,
        re.MULTILINE,
    )
    assert re.search(
        r"^FAILED +switch: 127\.0\.0\.1:\d+ was switched, but these services do not stay up: bare, web: "
        r"mend the config and switch again, or go back: doit rollback$",
        done.stdout,
        re.MULTILINE,
    )
    assert machine.ssh("sv status good").startswith("run: good: ")
    machine.doit("rollback")
    assert machine.ssh("cat /etc/motd; ls /run/service") == "beforenix-daemon\nsshd\n"


def test_the_machine_of_another_config_is_refused(machine: Switched) -> None:
    machine.switch("etc: {motd: {text: mine}}\n")
    before = machine.ssh("readlink /run/current-system")
    (machine.project.root / machine.config).write_text(machine.base.replace("switched", "another"))
    done = machine.doit("switch", check=False)
    assert done.returncode == 1
    wanted = "is the machine switched, and this config is another's"
    assert f"{wanted}: name its config (--config FILE), or add --force" in done.stdout
    assert machine.ssh("readlink /run/current-system") == before
    assert "switched in" in machine.doit("switch", "--force").stdout
    assert machine.ssh("cat /run/current-system/name") == "another\n"
    machine.doit("rollback")
    assert machine.ssh("readlink /run/current-system") == before


def test_what_cannot_be_activated_is_taken_back(machine: Switched) -> None:
    machine.switch("etc: {motd: {text: good}}\n")
    before = machine.ssh("readlink /run/current-system; readlink /nix/var/nix/profiles/system")
    machine.ssh("echo by hand >/etc/motd")
    bad = 'etc: {motd: {text: bad}, tmpfiles.d/bad.conf: {text: "d /run/bad 0755 nobody-knows - -\\n"}}\n'
    said = machine.refused(bad + WEB.partition("etc:")[0])
    assert (
        "could not take the new system, and runs the old one: chown: unknown user/group nobody-knows" in said
    )
    assert machine.ssh("readlink /run/current-system; readlink /nix/var/nix/profiles/system") == before
    # As it was, to the letter.
    assert machine.ssh(
        "cat /etc/motd; sv status sshd nix-daemon | grep -c ^run; ls /run/service /run/notos"
    ).split() == [*("by", "hand", "2", "/run/notos:", "/run/service:", "nix-daemon", "sshd")]
    assert len(machine.ssh("ls /run/etc").split()) == 1


def test_one_that_cannot_be_reached_goes_back_by_itself(machine: Switched) -> None:
    """Here its ssh server does not start any more."""
    machine.switch("etc: {motd: {text: fine}}\n")
    before = machine.ssh("readlink /run/current-system")
    broken = 'etc: {motd: {text: bad}, ssh/sshd_config.d/bad.conf: {text: "Nonsense yes\\n"}}\n'
    said = machine.refused(broken, "within=6")
    assert "the switch was not confirmed within 6 s, so the machine goes back by itself" in said
    machine.vm.wait_for_console(re.compile(r"No confirmation of \S+-toplevel within 6 s; switching back to"))
    machine.vm.wait_for_banner(5)
    assert machine.ssh("readlink /run/current-system; cat /etc/motd") == f"{before}fine"


def test_one_at_a_time(machine: Switched) -> None:
    machine.ssh("mkdir -p /run/notos/switch; echo 1 >/run/notos/switch/process")
    assert "another switch is under way there" in machine.refused("etc: {motd: {text: busy}}\n")
    # One that died has left nothing in the way.
    machine.ssh("echo 999999 >/run/notos/switch/process")
    assert "switched in" in machine.switch("etc: {motd: {text: busy}}\n")


def test_a_full_store(machine: Switched) -> None:
    """Told before anything is sent; and in the middle, where nobody could foresee it: here inodes run out."""
    machine.switch("etc: {motd: {text: full}}\n")
    before = machine.ssh("readlink /run/current-system")
    machine.ssh("dd if=/dev/zero of=/filler bs=1M 2>/dev/null; true")
    said = machine.refused("etc: {motd: {text: more}}\n")
    assert re.search(
        r"has room for 0\.\d MB, and 0\.\d MB are to be sent: give it more vm\.memory or a disk", said
    )
    inodes = "$(($(df -iP / | tail -n 1 | awk '{print $3}') + 20))"
    machine.ssh(f"rm /filler; mount -o remount,nr_inodes={inodes} /")
    said = machine.refused("etc: {motd: {text: more}}\n")
    assert re.search(r"ran out of room while 0\.\d MB were sent; it runs what it ran", said)
    machine.ssh("mount -o remount,nr_inodes=100000 /")
    assert machine.ssh("readlink /run/current-system") == before
    assert "switched in" in machine.switch("etc: {motd: {text: more}}\n")
    machine.ssh("nix-store --verify --check-contents")


def test_who_is_not_there_and_who_it_is_not(machine: Switched, tmp_path: Path) -> None:
    said = machine.refused("etc: {motd: {text: away}}\n", "port=1")
    assert re.search(
        r"127\.0\.0\.1:1 does not answer \(.*refused\): start the machine with \./result, or say", said
    )
    done = machine.doit("switch", "port=x", check=False)
    assert (done.returncode, done.stderr) == (
        3,
        "ERROR: invalid port: x: it wants a number from 1 to 65535\n",
    )
    # Another user's cache: other keys.
    cache = tmp_path / "cache"
    (cache / "ssh").mkdir(parents=True)
    for name in ("sha256", "facts", "tools"):
        (cache / name).symlink_to(Cache.default().root / name)
    for path in (Cache.default().root / "ssh").iterdir():
        (cache / "ssh" / path.name).write_bytes(path.read_bytes())
        (cache / "ssh" / path.name).chmod(0o600)
    stranger = (cache / "ssh/id_ed25519.pub").read_text()
    (cache / "ssh/known_hosts").write_text(f"notos {stranger}")
    said = machine.refused("", NOTOS_CACHE=str(cache))
    assert "is not the machine it should be: its host key is another one: stop what answers there" in said
    # By another name it is a stranger's machine, which is not in this user's known_hosts.
    said = machine.refused(
        "", "host=localhost", f"port={machine.port}", NOTOS_CACHE=str(cache), HOME=str(tmp_path)
    )
    assert "localhost:" in said and "its host key is another one" in said
    host = (Cache.default().root / "ssh/host_ed25519.pub").read_text()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(f"[localhost]:{machine.port} {host}")
    machine.write("")
    words = ("switch", "host=localhost", f"port={machine.port}")
    said = machine.doit(*words, NOTOS_CACHE=str(cache), HOME=str(tmp_path)).stdout
    assert "switched in" in said


def test_a_daemon_that_is_down(machine: Switched) -> None:
    """Where the database does not know the system, objects that refer to it are not sent."""
    machine.ssh("sv down nix-daemon && rm /nix/var/nix/db/registered")
    said = machine.refused("etc: {motd: {text: down}}\n")
    assert "its Nix does not know the system that runs: is its daemon down?" in said
    machine.ssh("sv start nix-daemon")
    assert "switched in" in machine.switch("etc: {motd: {text: down}}\n")


def test_a_machine_without_nix(small: Switched) -> None:
    """Objects are streamed into its store; the rest is the same."""
    dropbear = small.processes("sshd")
    said = small.switch(WEB)
    assert "switched in" in said
    assert "services   added web" in said
    assert small.page(8080) == "hello"
    assert small.processes("sshd") == dropbear
    assert small.ssh("ls -a /nix/store | grep -c '^.new'; true") == "0\n"
    small.switch("system: {packages: [zstd]}\n" + WEB)
    assert small.ssh("echo x | zstd | zstd -d") == "x\n"
    assert "is generation 2," in small.doit("rollback").stdout
    assert "is generation 1," in small.doit("rollback").stdout
    assert small.ssh("cat /etc/motd; ls /run/service") == "onesshd\n"
    inodes = "$(($(df -iP / | tail -n 1 | awk '{print $3}') + 20))"
    small.ssh(f"mount -o remount,nr_inodes={inodes} /")
    said = small.refused("etc: {motd: {text: more}}\n")
    assert re.search(r"ran out of room while 0\.\d MB were sent; it runs what it ran", said)
    assert small.ssh("ls -a /nix/store | grep -c '^.new'; true") == "0\n"
    small.ssh("mount -o remount,nr_inodes=100000 /")
    assert "switched in" in small.switch("etc: {motd: {text: more}}\n")


def test_nix_is_not_turned_on_by_a_switch(small: Switched) -> None:
    """Its database would not know the system that runs, and its collector would delete it."""
    before = small.ssh("readlink /run/current-system")
    assert "has no Nix, whose database would not know the system: boot the image instead" in small.refused(
        "nix: {enable: true}\n"
    )
    assert small.ssh("readlink /run/current-system") == before


def test_a_key_that_is_added_lets_in(small: Switched) -> None:
    """What the image would have handed to its ssh server at boot."""
    key = (Cache.default().root / "ssh/id_ed25519.pub").read_text().strip().replace("notos", "another")
    said = small.switch(f"ssh: {{authorized_keys: ['{key}']}}\n")
    assert "run again  40-ssh-keys" in said
    assert key in small.ssh("cat /run/ssh/root/authorized_keys")


def test_a_machine_that_vanishes(small: Switched) -> None:
    """In the middle of the switch: here a service takes its time to end. (The last test of this machine.)"""
    stubborn = "services:\n  stubborn: {run: \"trap '' TERM; while :; do sleep 1; done\"}\n"
    small.switch(stubborn)
    small.write("")
    with small.start("switch") as process:
        small.vm.wait_until_fails("[ -e /run/service/stubborn ]")
        small.vm.crash()
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert (
        "went away in the middle of the switch: if it still runs, it goes back by itself within 30 s" in said
    )

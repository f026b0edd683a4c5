"""Switches of a running machine: what changes, what stays, and how it reverts."""

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
        """Return the port of 127.0.0.1 that leads to its ssh server."""
        return str(self.vm.forward(22))

    def write(self, text: str) -> None:
        (self.project.root / self.config).write_text(f"{self.base}{text}")

    def doit(self, *words: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        words = (f"config={self.config}", *words)
        return self.project.doit(*words, check=check, environment=variables, SSH_PORT=self.port)

    def switch(self, text: str, *words: str, **variables: str) -> str:
        """Switch to a config with `text`; return the output."""
        self.write(text)
        return self.project.doit(
            f"config={self.config}", "switch", *words, environment=variables, SSH_PORT=self.port
        ).stdout

    def refused(self, text: str, *words: str, **variables: str) -> str:
        """Try a switch that must fail; return the line with the reason."""
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
        """Return the answer of the service `web`, once it listens."""
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
    """Return the default machine; each test leaves it with another system."""
    return booted(machine_factory, built, "switched", "config.yaml")


@pytest.fixture(scope="module")
def small(machine_factory: MachineFactory, built: Project) -> Switched:
    """Return a machine without Nix, with another ssh server."""
    return booted(machine_factory, built, "plain", "examples/minimal.yaml")


def test_a_file_in_etc(machine: Switched) -> None:
    """A dry run changes nothing; a switch keeps locally modified files, and no service restarts."""
    before = machine.processes("sshd", "nix-daemon")
    machine.ssh("echo own >/etc/own; echo by hand >/etc/motd; echo mine >/etc/profile.d/mine.sh")
    said = machine.switch("etc: {motd: {text: two}}\n", "--dry-run")
    assert "  /etc       changed motd\n" in said
    assert re.search(r"  send       1 objects, 0\.\d MB\ndry run: the machine is unchanged\n", said)
    assert machine.ssh("cat /etc/motd") == "by hand\n"
    assert "no generations yet" in machine.doit("generations").stdout
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


def test_files_that_the_boot_writes(machine_factory: MachineFactory, built: Project) -> None:
    """The names of the instance data and of DHCP stay, in files of /etc that the switch replaces."""
    base = "name: named\nhostname: plain\nssh: {server: dropbear}\nsystem: {packages: [busybox]}\n"
    project = built.build("named", f"{base}network: dhcp\n")
    instance = {"hostname": "web1", "network": "search example.org\n"}
    vm = machine_factory.at(project.script, instance=instance)
    named = Switched(vm, project, base, "named.yaml")
    before = named.ssh("cat /etc/resolv.conf")
    assert re.fullmatch(r"search example\.org\n(nameserver .*\n)+", before)
    said = named.switch("hosts: {db: 10.0.2.9}\nnetwork: {eth0: dhcp, search: [a.example]}\n")
    assert "  run again  10-hostname, 11-resolv-conf\n" in said
    assert "modified locally" not in said
    assert named.ssh("hostname; cat /etc/hostname; grep -e web1 -e plain -e db /etc/hosts").splitlines() == [
        *("web1", "web1", "10.0.2.9 db", "127.0.1.1 web1")
    ]
    vm.wait_until_succeeds("grep nameserver /etc/resolv.conf")
    assert named.ssh("cat /etc/resolv.conf") == before
    # An edit by hand is saved.
    named.ssh("echo 10.0.2.8 mine >>/etc/hosts")
    said = named.switch("hosts: {db: 10.0.2.7}\nnetwork: dhcp\n")
    assert "/etc/hosts was modified locally" in said
    assert "/etc/resolv.conf was" not in said
    assert vm.shutdown() == 0


def test_a_changed_file_has_another_time(machine: Switched) -> None:
    look = "stat -L -c %Y /etc/web.txt"
    seen = []
    for text in ("hallo", "hullo", "hello"):
        machine.switch(WEB.replace("hello", text))
        assert machine.vm.succeed("cat /etc/web.txt").strip() == text
        seen.append(machine.vm.succeed(look))
    assert len(set(seen)) == 3
    machine.vm.succeed("nix-store --verify --check-contents")


def test_services_accounts_and_packages(machine: Switched) -> None:
    """Services are added, removed, and restarted if they or files they read changed; others keep running."""
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
    ).split() == [*("2", "nix-daemon", "sshd", "syslog")]
    assert machine.processes("sshd") == [sshd]


def test_open_files_of_a_service(machine: Switched) -> None:
    """A service restarts only if a program or library that it has open changed."""
    machine.switch("")
    sshd, daemon = machine.processes("sshd", "nix-daemon")
    only = "system: {packages: [openssh-server: {exclude: [etc/ssh/moduli, usr/lib/openssh/sshd-auth]}]}\n"
    # /usr changed, but no file that the two services have open.
    assert "restart" not in machine.switch(only.replace("usr/lib/openssh/sshd-auth", "usr/share/*"))
    assert machine.processes("sshd", "nix-daemon") == [sshd, daemon]


def test_rollback(machine: Switched) -> None:
    """Roll back to the previous generation and to a named one, and list them."""
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
    assert "dry run: the machine is unchanged" in machine.doit("rollback", "--dry-run").stdout
    said = machine.doit("rollback").stdout
    assert f"is generation {last - 1}," in said
    assert machine.ssh("cat /etc/motd; ls /run/service") == "firstnix-daemon\nsshd\nsyslog\n"
    said = machine.doit("rollback", "to=1").stdout
    assert "is generation 1," in said
    assert machine.ssh("cat /etc/motd; readlink /nix/var/nix/profiles/system") == "onesystem-1-link\n"
    done = machine.doit("rollback", check=False)
    assert "has no earlier generation: doit generations" in done.stdout
    done = machine.doit("rollback", "to=999", check=False)
    assert "generation 999 does not exist: existing ones: 1, 2," in done.stdout
    # The machine's own Nix agrees.
    assert (
        machine.ssh("nix-env -p /nix/var/nix/profiles/system --list-generations | grep current").split()[0]
        == "1"
    )
    machine.ssh("nix-store --gc && nix-store --verify --check-contents")
    assert "is generation" in machine.doit("rollback", f"to={last}").stdout
    # A service that a switch stops has not failed: no delay before it stops or starts.
    assert not [line for line in machine.vm.console.lines if "web ended with status" in line.text]


BROKEN = """
services:
  web: {run: "echo no folder /var/www; exit 3", log: true}
  bare: {run: "sleep 0.5; exit 4"}
  good: {run: exec sleep 1000000}
"""


def test_services_that_do_not_stay_up_are_named(machine: Switched) -> None:
    """The report has their last log lines; the switch is complete and can be rolled back."""
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
        r"correct the config and switch again, or revert: doit rollback$",
        done.stdout,
        re.MULTILINE,
    )
    assert machine.ssh("sv status good").startswith("run: good: ")
    machine.doit("rollback")
    assert machine.ssh("cat /etc/motd; ls /run/service") == "beforenix-daemon\nsshd\nsyslog\n"


UNIT = """
services:
  app: {unit: ./app.service, environment: {WORD: one}}
  other: {unit: ./other.service}
files: {/opt/app.txt: {text: %s}}
"""
APP = """[Service]
ExecStart=/bin/sh -c \\
    'trap "echo stopped >>/run/stopped; exit" TERM; while :; do sleep 0.2; done' sh /opt/app.txt
"""


def test_services_of_units(machine: Switched) -> None:
    """A change of the unit or of a file that it names restarts a service, and a failure is reported."""
    root = machine.project.root
    (root / "app.service").write_text(APP)
    (root / "other.service").write_text("[Service]\nExecStart=/bin/sleep 1000000\n")
    assert "added app, other" in machine.switch(UNIT % "one")
    before = machine.processes("app", "other")
    said = machine.switch(UNIT % "two")
    assert re.search(r"restart +app \(/opt/app\.txt\)\n", said)
    after = machine.processes("app", "other")
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert machine.ssh("cat /run/stopped") == "stopped\n", "by its own stop"
    assert re.search(
        r"restart +app \(its files\)\n", machine.switch((UNIT % "two").replace("WORD: one", "WORD: 2"))
    )
    environment = machine.ssh(
        "tr '\\0' '\\n' </proc/$(tail -n 1 /sys/fs/cgroup/notos/app/cgroup.procs)/environ"
    )
    assert "WORD=2" in environment
    (root / "other.service").write_text("[Service]\nExecStart=/bin/sh -c 'echo broken; sleep 0.5; exit 3'\n")
    done = machine.doit("switch", check=False)
    assert done.returncode == 1
    assert "  other does not stay up: exit-code\n" in done.stdout
    assert re.search(r"^  \| \S+ broken$", done.stdout, re.MULTILINE)
    assert machine.ssh("sv status other").startswith("down: other: ")


def test_the_machine_of_another_config_is_refused(machine: Switched) -> None:
    machine.switch("etc: {motd: {text: mine}}\n")
    before = machine.ssh("readlink /run/current-system")
    (machine.project.root / machine.config).write_text(machine.base.replace("switched", "another"))
    done = machine.doit("switch", check=False)
    assert done.returncode == 1
    reason = "is the machine switched, but this config is for another"
    assert f"{reason}: give the config of that machine (--config FILE), or add --force" in done.stdout
    assert machine.ssh("readlink /run/current-system") == before
    assert "switched in" in machine.doit("switch", "--force").stdout
    assert machine.ssh("cat /run/current-system/name") == "another\n"
    machine.doit("rollback")
    assert machine.ssh("readlink /run/current-system") == before


def test_a_failed_activation_reverts(machine: Switched) -> None:
    machine.switch("etc: {motd: {text: good}}\n")
    before = machine.ssh("readlink /run/current-system; readlink /nix/var/nix/profiles/system")
    machine.ssh("echo by hand >/etc/motd")
    # The folder of the next /etc cannot be created.
    machine.ssh("ln -s /nowhere/x /run/etc/$(($(ls /run/etc | wc -l) + 1))")
    said = machine.refused("etc: {motd: {text: bad}}\n" + WEB.partition("etc:")[0])
    machine.ssh("find /run/etc -maxdepth 1 -type l -exec rm {} +")
    assert "the switch failed, the old system still runs: " in said
    assert machine.ssh("readlink /run/current-system; readlink /nix/var/nix/profiles/system") == before
    # Everything is exactly as before.
    assert machine.ssh(
        "cat /etc/motd; sv status sshd nix-daemon | grep -c ^run; ls /run/service /run/notos"
    ).split() == [*("by", "hand", "2", "/run/notos:", "/run/service:", "nix-daemon", "sshd", "syslog")]
    assert len(machine.ssh("ls /run/etc").split()) == 1


def test_an_unreachable_machine_reverts(machine: Switched) -> None:
    """The new system breaks the configuration of the ssh server."""
    machine.switch("etc: {motd: {text: fine}}\n")
    before = machine.ssh("readlink /run/current-system")
    broken = 'etc: {motd: {text: bad}, ssh/sshd_config.d/bad.conf: {text: "Nonsense yes\\n"}}\n'
    said = machine.refused(broken, "within=6")
    assert "the switch was not confirmed within 6 s, so the machine reverts" in said
    machine.vm.wait_for_console(re.compile(r"No confirmation of \S+-toplevel within 6 s; switching back to"))
    machine.vm.wait_for_banner()
    assert machine.ssh("readlink /run/current-system; cat /etc/motd") == f"{before}fine"


def test_one_at_a_time(machine: Switched) -> None:
    machine.ssh("mkdir -p /run/notos/switch; echo 1 >/run/notos/switch/process")
    assert "another switch is in progress" in machine.refused("etc: {motd: {text: busy}}\n")
    # A switch whose process died does not block others.
    machine.ssh("echo 999999 >/run/notos/switch/process")
    assert "switched in" in machine.switch("etc: {motd: {text: busy}}\n")


def test_a_full_store(machine: Switched) -> None:
    """Lack of space is reported before the transfer; lack of inodes, which is not checked, during it."""
    machine.switch("etc: {motd: {text: full}}\n")
    before = machine.ssh("readlink /run/current-system")
    machine.ssh("dd if=/dev/zero of=/filler bs=1M 2>/dev/null; true")
    said = machine.refused("etc: {motd: {text: more}}\n")
    assert re.search(
        r"has 0\.\d MB free, but the switch needs 0\.\d MB: give it more vm\.memory or a disk", said
    )
    inodes = "$(($(df -iP / | tail -n 1 | awk '{print $3}') + 20))"
    machine.ssh(f"rm /filler; mount -o remount,nr_inodes={inodes} /")
    said = machine.refused("etc: {motd: {text: more}}\n")
    assert re.search(r"no space left in the transfer of 0\.\d MB; the system is unchanged", said)
    machine.ssh("mount -o remount,nr_inodes=100000 /")
    assert machine.ssh("readlink /run/current-system") == before
    assert "switched in" in machine.switch("etc: {motd: {text: more}}\n")
    machine.ssh("nix-store --verify --check-contents")


def test_unreachable_and_unknown_machines(machine: Switched, tmp_path: Path) -> None:
    said = machine.refused("etc: {motd: {text: away}}\n", "port=1")
    assert re.search(
        r"127\.0\.0\.1:1 does not answer \(.*refused\): start the machine with \./result, or give", said
    )
    done = machine.doit("switch", "port=x", check=False)
    assert (done.returncode, done.stderr) == (
        3,
        "ERROR: invalid port: x: it must be a number from 1 to 65535\n",
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
    assert "is another machine: its host key does not match: stop that machine" in said
    # By another name it is another user's machine, which is not in this user's known_hosts.
    said = machine.refused(
        "", "host=localhost", f"port={machine.port}", NOTOS_CACHE=str(cache), HOME=str(tmp_path)
    )
    assert "localhost:" in said and "its host key does not match" in said
    host = (Cache.default().root / "ssh/host_ed25519.pub").read_text()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(f"[localhost]:{machine.port} {host}")
    machine.write("")
    words = ("switch", "host=localhost", f"port={machine.port}")
    said = machine.doit(*words, NOTOS_CACHE=str(cache), HOME=str(tmp_path)).stdout
    assert "switched in" in said


def test_a_daemon_that_is_down(machine: Switched) -> None:
    """If the database does not have the running system, objects that refer to it are not sent."""
    machine.ssh("sv down nix-daemon && rm /nix/var/nix/db/registered")
    said = machine.refused("etc: {motd: {text: down}}\n")
    assert "the running system is not in its Nix database: is its daemon down?" in said
    machine.ssh("sv start nix-daemon")
    assert "switched in" in machine.switch("etc: {motd: {text: down}}\n")


def test_a_machine_without_nix(small: Switched) -> None:
    """Objects are streamed directly into the store of a machine without Nix."""
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
    assert small.ssh("cat /etc/motd; ls /run/service") == "onesshd\nsyslog\n"
    inodes = "$(($(df -iP / | tail -n 1 | awk '{print $3}') + 20))"
    small.ssh(f"mount -o remount,nr_inodes={inodes} /")
    said = small.refused("etc: {motd: {text: more}}\n")
    assert re.search(r"no space left in the transfer of 0\.\d MB; the system is unchanged", said)
    assert small.ssh("ls -a /nix/store | grep -c '^.new'; true") == "0\n"
    small.ssh("mount -o remount,nr_inodes=100000 /")
    assert "switched in" in small.switch("etc: {motd: {text: more}}\n")


def test_a_changed_file_has_another_time_without_nix(small: Switched) -> None:
    look = "stat -L -c %Y /etc/web.txt"
    seen = []
    for text in ("hallo", "hullo"):
        small.switch(WEB.replace("hello", text))
        seen.append(small.vm.succeed(look))
    assert len(set(seen)) == 2


def test_a_switch_cannot_add_nix(small: Switched) -> None:
    """Nix's database would lack the running system, and its garbage collector would delete it."""
    before = small.ssh("readlink /run/current-system")
    message = "a switch cannot add Nix, whose database would lack the system: boot the image instead"
    assert message in small.refused("nix: {enable: true}\n")
    assert small.ssh("readlink /run/current-system") == before


def test_a_key_added_by_a_switch(small: Switched) -> None:
    """A switch gives the ssh server new keys, as a boot would."""
    key = (Cache.default().root / "ssh/id_ed25519.pub").read_text().strip().replace("notos", "another")
    said = small.switch(f"ssh: {{authorized_keys: ['{key}']}}\n")
    assert "run again  40-ssh-keys" in said
    assert key in small.ssh("cat /root/.ssh/authorized_keys")


def test_a_machine_that_crashes_during_a_switch(small: Switched) -> None:
    """A service that does not stop makes the switch take long enough. (The last test of this machine.)"""
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
        "connection lost during the switch: if the machine still runs, it reverts by itself within 30 s"
        in said
    )

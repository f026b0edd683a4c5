"""Accounts, files anywhere and logins in a machine, with each ssh server and a real ssh client."""

import os
import subprocess
from pathlib import Path

import pytest

from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project, Tool

NAMES = ("alice", "bob", "root", "own")
# openssl passwd -6 -salt abcdefgh secret
HASH = "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."
CONFIG = """
name: NAME
system: {packages: [busybox, bash]}
ssh: {server: SERVER}
console: login
files:
  /var/www: {source: site, exclude: [.git], owner: www}
  /opt/app: {source: site}
  /usr/local/bin/hi: {text: "#!/bin/sh\\necho hi\\n", mode: "0755"}
  /usr/bin/hey: {link: ../local/bin/hi}
  /etc/app: {source: site, mode: "0640", owner: www}
  /var/lib/x/y: {text: secret, owner: www, mode: "0640"}
  /srv/a: {link: /var/www}
  /data/z: {text: z}
remove: [/usr/bin/ping, /etc/protocols]
users:
  alice: {uid: 1000, groups: [admins], authorized_keys: ["KEY_alice"], password_hash: "HASH"}
  bob: {shell: /bin/sh, authorized_keys: ["KEY_bob"]}
  carol: {}
  daemon1: {system: true, authorized_keys: ["KEY_bob"]}
  www: {system: true}
  root: {authorized_keys: ["KEY_root"]}
groups: {admins: {gid: 1100}}
etc:
OPENSSH
  sysusers.d/old.conf: {text: "u dave 1500 - /home/dave /bin/sh\\nu! locked 1501 - /home/locked /bin/sh\\n"}
  tmpfiles.d/old.conf: {text: "d /home/dave 0700 dave dave\\nd /home/locked 0700 locked locked\\n"}
  ssh/authorized_keys.d/dave: {text: "KEY_bob\\n"}
  ssh/authorized_keys.d/locked: {text: "KEY_bob\\n"}
"""


class Logins:
    """A machine, and an ssh client with a key for each of NAMES."""

    def __init__(self, vm: Machine, server: str, client: list[str], keys: Path) -> None:
        self.vm = vm
        self.server = server
        self._client = client
        self._keys = keys

    def login(self, user: str, key: str, command: str = "id -un") -> str:
        """Return the output of a command, or "refused"."""
        options = [
            *("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"),
            *("IdentitiesOnly=yes", "LogLevel=ERROR", "ConnectTimeout=60"),
        ]
        words = [each for option in options for each in ("-o", option)]
        port = str(self.vm.forward(22))
        done = subprocess.run(
            [
                *self._client,
                "-F",
                "none",
                *words,
                "-p",
                port,
                "-i",
                self._keys / key,
                f"{user}@127.0.0.1",
                command,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return "refused" if "Permission denied" in done.stderr else done.stdout.strip()

    def log(self) -> str:
        return self.vm.succeed("cat /var/log/sshd/current")


@pytest.fixture(scope="module", params=["openssh", "dropbear"])
def logins(
    request: pytest.FixtureRequest,
    built: Project,
    machine_factory: MachineFactory,
    tool: Tool,
    tmp_path_factory: pytest.TempPathFactory,
) -> Logins:
    keys = tmp_path_factory.mktemp("keys")
    # All logins come from one address.
    penalties = '  ssh/sshd_config.d/test.conf: {text: "PerSourcePenalties no\\n"}\n'
    text = CONFIG.replace("OPENSSH\n", penalties if request.param == "openssh" else "")
    text = text.replace("NAME", request.param).replace("SERVER", request.param).replace("HASH", HASH)
    for name in NAMES:
        words = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(keys / name)]
        subprocess.run([*tool("ssh-keygen"), *words], check=True)
        text = text.replace(f"KEY_{name}", (keys / f"{name}.pub").read_text().strip())
    site = built.root / "site"
    if not site.exists():
        (site / "sub").mkdir(parents=True)
        (site / ".git").mkdir()
        (site / "empty").mkdir()
        (site / ".git/x").write_text("x")
        (site / "index.html").write_text("hello")
        (site / "sub/prog").write_text("#!/bin/sh\necho prog\n")
        (site / "sub/prog").chmod(0o755)
        (site / "dangling").symlink_to("/nowhere")
        Path(os.fsdecode(os.fsencode(site) + b"/caf\xe9")).write_text("latin")
    vm = machine_factory.at(built.build(request.param, text).script, scope="module")
    vm.wait_for_boot()
    return Logins(vm, request.param, tool("ssh"), keys)


@pytest.mark.parametrize("user", ["alice", "bob", "root", "carol", "dave"])
def test_each_account_logs_in_by_its_own_key_only(logins: Logins, user: str) -> None:
    own = {"dave": "bob"}.get(user, user)
    for key in ("alice", "bob", "root"):
        assert logins.login(user, key) == (user if key == own else "refused")


def test_a_command_has_the_machine_s_locale(logins: Logins) -> None:
    assert logins.login("alice", "alice", "echo $LANG") == "C.UTF-8"


def test_the_key_that_runvm_passes_is_root_s_only(logins: Logins) -> None:
    keys = logins.vm.succeed("cat /sys/firmware/qemu_fw_cfg/by_name/opt/notos/authorized_keys/raw")
    for path in ("/etc/ssh/authorized_keys.d", "/home"):
        assert keys.split()[1] not in logins.vm.succeed(f"grep -rh . {path} || true")


def test_an_account_s_own_file_counts_if_it_is_safe(logins: Logins) -> None:
    (own,) = [path.read_text() for path in [logins._keys / "own.pub"]]
    logins.vm.succeed(
        f"mkdir -p /home/carol/.ssh; echo '{own.strip()}' >>/home/carol/.ssh/authorized_keys; "
        "chown -R carol: /home/carol/.ssh; chmod 700 /home/carol/.ssh"
    )
    assert logins.login("carol", "own") == "carol"
    logins.vm.succeed("chmod 777 /home/carol/.ssh")
    assert logins.login("carol", "own") == "refused"
    assert "/home/carol/.ssh" in logins.log()


def test_a_refused_login_has_its_reason_in_the_log(logins: Logins) -> None:
    assert logins.login("nobody-here", "bob") == "refused"
    assert logins.login("locked", "bob") in ("refused", "locked" if logins.server == "dropbear" else "")
    log = logins.log()
    assert "nobody-here" in log or "nonexistent user" in log
    if logins.server == "openssh":
        assert "User locked not allowed because account is locked" in log
    # A service's account has no shell: its login ends at once, or is refused.
    assert logins.login("daemon1", "bob") != "daemon1"


def test_accounts(logins: Logins) -> None:
    vm = logins.vm
    assert vm.succeed("id alice").strip() == "uid=1000(alice) gid=1000(alice) groups=1000(alice),1100(admins)"
    assert vm.succeed("stat -c '%a %U %G' /home/alice /home/bob").split("\n")[:2] == [
        "700 alice alice",
        "700 bob bob",
    ]
    shells = dict(line.split(":")[::6] for line in vm.succeed("cat /etc/passwd").splitlines())
    assert [shells[name] for name in ("alice", "bob", "www")] == ["/bin/bash", "/bin/sh", "/usr/sbin/nologin"]
    assert 100 <= int(vm.succeed("id -u www")) < 1000 <= int(vm.succeed("id -u bob"))
    assert vm.succeed("grep -c '^alice:[$]6[$]' /etc/shadow; stat -c %a /etc/shadow").split() == ["1", "600"]


def test_files_anywhere(logins: Logins) -> None:
    vm = logins.vm
    assert vm.succeed("/usr/local/bin/hi; hey; /opt/app/sub/prog; cat /srv/a/index.html /data/z").split() == [
        *("hi", "hi", "prog", "helloz"),
    ]
    assert vm.succeed(
        "stat -c '%a %U %G' /var/www /var/www/sub/prog /var/lib/x/y /etc/app/sub /etc/app/index.html"
    ).split("\n")[:-1] == [
        *("755 www www", "755 www www", "640 www www", "750 www www", "640 www www"),
    ]
    assert vm.succeed("readlink /var/www/dangling; readlink /opt/app/dangling").split() == ["/nowhere"] * 2
    assert vm.succeed("cat /var/www/caf*") == "latin"
    vm.fail("ls -d /var/www/.git")
    vm.succeed("ls -d /opt/app/.git /var/www/empty")
    vm.fail("ls /usr/bin/ping")
    vm.fail("ls /etc/protocols")
    vm.succeed("grep -q root /etc/passwd && ls /usr/bin/sh")


def test_a_prompt_on_the_console(logins: Logins) -> None:
    logins.vm.wait_for_console("login: ", prompt=True)
    logins.vm.send_console("alice\n")
    logins.vm.wait_for_console("Password: ", prompt=True)
    logins.vm.send_console("secret\n")
    logins.vm.send_console("echo user=$(id -un)\n")
    logins.vm.wait_for_console("user=alice")

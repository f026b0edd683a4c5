"""run-unit: the sandbox of a command, by mount namespaces and others, on this host's kernel."""

from pathlib import Path

import pytest

from tests.units.unit_scene import Scene, shell

# A small tree in place of parts of the host's: nothing of the host changes.
PLACES = """
mount -t tmpfs tmpfs /srv
mkdir -p /srv/a/b/c /srv/d /srv/e
echo inner >/srv/a/b/file
echo '#!/bin/sh' >/srv/a/b/program; chmod 755 /srv/a/b/program
mount -t tmpfs tmpfs /srv/a/b/c
mount -t tmpfs tmpfs /opt
mount -t tmpfs tmpfs /home
echo secret >/home/file
"""
WRITE = """
w() {
    for each; do
        if touch "$each/x" 2>/dev/null; then rm "$each/x"; echo "$each yes"; else echo "$each no"; fi
    done
}
"""


@pytest.fixture
def places(scene: Scene) -> Scene:
    """Return a scene with folders that the commands change."""
    scene.before = PLACES
    return scene


def writable(scene: Scene, paths: str, *lines: tuple[str, ...]) -> dict[str, bool]:
    """Return which of the folders a command can write to."""
    status, log = scene.result(*lines, shell(f"{WRITE}w {paths}"))
    assert status == 0, log
    return {line.split()[0]: line.split()[1] == "yes" for line in log.splitlines()}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("yes", {"/usr": False, "/etc": True, "/opt": True, "/run": True, "/home": True, "/dev/shm": True}),
        ("full", {"/usr": False, "/etc": False, "/opt": True, "/run": True, "/home": True, "/dev/shm": True}),
        (
            "strict",
            {"/usr": False, "/etc": False, "/opt": False, "/run": False, "/home": True, "/dev/shm": True},
        ),
    ],
)
def test_protect_system(places: Scene, value: str, result: dict[str, bool]) -> None:
    """The table of ProtectSystem= in systemd.exec(5)."""
    places.before += "mkdir /opt/etc; mount --bind /opt/etc /etc\n"
    assert writable(places, " ".join(result), ("protectsystem", value)) == result


def test_writable_paths_in_a_protected_system(places: Scene) -> None:
    lines = [
        ("protectsystem", "strict"),
        ("rw", "", "/srv/a"),
        ("ro", "", "/srv/a/b"),
        ("rw", "-", "/srv/a/b/c"),
    ]
    lines += [("rw", "-", "/none"), ("dir", "runtime", "one", "0755")]
    result = {
        "/srv": False,
        "/srv/a": True,
        "/srv/a/b": False,
        "/srv/a/b/c": True,
        "/srv/d": False,
        "/run/one": True,
    }
    assert writable(places, " ".join(result), *lines) == result


def test_read_only_mounts_stay_read_only(places: Scene) -> None:
    places.before += "mount -o remount,ro /opt\n"
    assert writable(places, "/opt", ("protectsystem", "strict"), ("rw", "", "/opt")) == {"/opt": False}


@pytest.mark.parametrize(
    ("value", "content", "write"), [("yes", False, False), ("read-only", True, False), ("tmpfs", False, True)]
)
def test_protect_home(places: Scene, value: str, content: bool, write: bool) -> None:
    script = f"{WRITE}cat /home/file 2>/dev/null; w /home"
    _, log = places.result(("protecthome", value), shell(script))
    assert ("secret" in log) == content
    assert ("/home yes" in log) == write


def test_private_tmp(places: Scene) -> None:
    script = "ls -A /tmp /var/tmp; stat -c %a /tmp /var/tmp; touch /tmp/mine"
    lines = [
        ("privatetmp", "yes"),
        shell("touch /tmp/pre", key="pre"),
        shell(script),
        shell("ls -A /tmp", key="stoppost"),
    ]
    _, log = places.result(*lines)
    assert log.split() == ["/tmp:", "pre", "/var/tmp:", "1777", "1777", "mine", "pre"]
    assert not list(Path("/tmp").glob("notos-private-*"))
    _, log = places.result(("privatetmp", "disconnected"), shell(script))
    assert log.split() == ["/tmp:", "/var/tmp:", "1777", "1777"]


def test_hidden_paths(places: Scene) -> None:
    lines = [
        ("hide", "", "/srv/a"),
        ("hide", "-", "/none"),
        ("hide", "", "/etc/passwd"),
        ("user", "1234"),
        ("group", "1234"),
    ]
    script = "ls /srv/a 2>&1; cat /etc/passwd 2>&1; ls -d /srv/d"
    _, log = places.result(*lines, shell(script))
    assert log.count("Permission denied") == 2
    assert "/srv/d\n" in log
    assert "root:" not in log


def test_bind_mounts(places: Scene) -> None:
    lines = [
        ("bind", "", "/srv/a", "/srv/e", "rec"),
        ("bindro", "", "/srv/d", "/srv/new/place", "norec"),
        ("bind", "-", "/none", "/srv/d", "rec"),
        ("hide", "", "/srv/a"),
    ]
    script = f"{WRITE}cat /srv/e/b/file; w /srv/e /srv/e/b/c /srv/new/place"
    _, log = places.result(*lines, shell(script))
    assert log.splitlines() == ["inner", "/srv/e yes", "/srv/e/b/c yes", "/srv/new/place no"]


def test_a_bind_mount_in_a_tmpfs(places: Scene) -> None:
    lines = [
        ("tmpfs", "/srv", "mode=0700"),
        ("bind", "", "/srv/a/b", "/srv/x/y", "rec"),
        ("protectsystem", "strict"),
    ]
    _, log = places.result(*lines, shell("ls /srv /srv/x/y; stat -c %a /srv"))
    assert log.split() == ["/srv:", "x", "/srv/x/y:", "c", "file", "program", "700"]


def test_programs_that_do_not_run(places: Scene) -> None:
    lines = [("noexec", "", "/srv"), ("exec", "", "/srv/a/b"), ("ro", "", "/srv/a")]
    script = "cp /srv/a/b/program /srv/d/ && /srv/d/program 2>&1; /srv/a/b/program && echo ran; "
    script += "touch /srv/a/b/x 2>&1"
    _, log = places.result(*lines, shell(script))
    assert "/srv/d/program: Permission denied" in log
    assert "ran\n" in log
    assert "Read-only file system" in log


def test_private_devices(scene: Scene) -> None:
    script = "ls -A /dev; echo x >/dev/null; touch /dev/x 2>&1; "
    script += "touch /dev/shm/notos-x && rm /dev/shm/notos-x && echo shm"
    _, log = scene.result(("privatedevices", "yes"), ("protectsystem", "strict"), shell(script))
    found = log.split()
    assert {"null", "zero", "full", "random", "urandom", "tty", "fd", "shm"} <= set(found)
    assert not {"sda", "vda", "kmsg", "mem", "loop0"} & set(found)
    assert "Read-only file system" in log
    assert found[-1] == "shm"


def test_the_kernel_is_protected(scene: Scene) -> None:
    lines = [
        ("protecttunables", "yes"),
        ("protectcgroups", "yes"),
        ("protectmodules", "yes"),
        ("protectlogs", "yes"),
    ]
    script = (
        "echo 1 >/proc/sys/kernel/panic; mkdir /sys/fs/cgroup/x; cat /proc/kcore >/dev/null; "
        "ls /usr/lib/modules; cat /dev/kmsg"
    )
    _, log = scene.result(*lines, shell(f"{{ {script}; }} 2>&1"))
    assert log.count("Read-only file system") == 2


def test_processes_of_others_are_hidden(scene: Scene) -> None:
    lines = [("protectproc", "invisible"), ("user", "1234"), ("group", "1234")]
    _, log = scene.result(*lines, shell("ls /proc | grep -c '^[0-9]'; ls -d /proc/1 2>&1; ls -d /proc/sys"))
    assert int(log.split()[0]) < 6
    assert "/proc/1'" in log or "cannot access" in log
    _, log = scene.result(("procsubset", "pid"), shell("ls -d /proc/sys 2>&1; ls -d /proc/self"))
    assert "cannot access" in log


def test_a_private_network(scene: Scene) -> None:
    lines = [("privatenetwork", "yes"), shell("readlink /proc/self/ns/net", key="pre")]
    show = "readlink /proc/self/ns/net; tail -n +3 /proc/net/dev | cut -d: -f1"
    log = scene.result(*lines, shell(show))[1].split()
    assert log[0] == log[1]  # all commands share it
    assert log[-1] == "lo"
    scene.before = "readlink /proc/self/ns/net"
    log = scene.result(*lines, shell(show))[1].split()
    assert log[0] != log[1]


def test_other_namespaces(scene: Scene) -> None:
    show = "readlink /proc/self/ns/ipc /proc/self/ns/uts"
    scene.before = show
    log = scene.result(("privateipc", "yes"), ("protecthostname", "yes"), shell(show))[1].split()
    assert log[0] != log[2]
    assert log[1] != log[3]


@pytest.mark.parametrize("account", [(), (("user", "web"),)])
def test_private_users(scene: Scene, account: tuple[tuple[str, str], ...]) -> None:
    show = "cat /proc/self/uid_map; stat -c %u /etc/group; id -u"
    scene.before = "chown 1301 /etc/group 2>/dev/null"
    _, log = scene.result(("privateusers", "yes"), *account, shell(show))
    rows = [line.split() for line in log.splitlines()]
    uid = "1234" if account else "0"
    assert rows == [["0", "0", "1"], *([["1234", "1234", "1"]] if account else []), ["65534"], [uid]]


def test_a_root_directory(places: Scene) -> None:
    places.before += (
        "for each in usr bin lib lib64; do\n"
        "[ ! -e /$each ] || { mkdir -p /srv/d/$each; mount --rbind /$each /srv/d/$each; }\ndone\n"
        "echo mine >/srv/d/file; ln -s /file /srv/d/link\n"
    )
    lines = [
        ("root", "/srv/d"),
        ("mountapi", "yes"),
        ("bindro", "", "/etc", "/etc", "rec"),
        ("ro", "", "/link"),
    ]
    lines += [("privatetmp", "disconnected"), ("type", "oneshot")]
    script = "cat /file; ls -A / | tr '\\n' ' '; echo; ls -d /proc/self; echo x >/link || :; "
    script += "touch /tmp/x && echo tmp; head -n 1 /etc/passwd"
    _, log = places.result(*lines, shell(f"{{ {script}; }} 2>&1"))
    said = log.splitlines()
    assert said[0] == "mine"
    assert {"usr", "file", "proc", "sys", "dev", "etc", "tmp"} <= set(said[1].split())
    assert "home" not in said[1].split()
    assert "Read-only file system" in log
    assert said[-2:] == ["tmp", "root:x:0:0::/root:/bin/sh"]


def test_mounts_of_a_command_are_its_own(places: Scene) -> None:
    lines = [("privatemounts", "yes"), shell("mount -t tmpfs tmpfs /srv/d; touch /srv/d/x", key="pre")]
    assert places.result(*lines, shell("ls -A /srv/d"))[1] == ""
    lines = [("mountflags", "private"), shell("cat /proc/self/mountinfo")]
    log = places.result(*lines)[1]
    assert " master:" not in log and " shared:" not in log


@pytest.mark.parametrize(("line", "end"), [(("hide", ""), ()), (("tmpfs",), ("ro",))], ids=["hide", "tmpfs"])
def test_a_sandbox_that_hides_the_filter(scene: Scene, line: tuple[str, ...], end: tuple[str, ...]) -> None:
    """The filter of system calls is read before: here it allows all (seccomp(2), SECCOMP_RET_ALLOW)."""
    (scene.folder / "seccomp").write_bytes(bytes.fromhex("060000000000ff7f"))
    hides = (*line, str(scene.folder), *end)
    status, log = scene.result(hides, ("seccomp", "yes"), shell("grep ^Seccomp: /proc/self/status"))
    assert (status, log.split()) == (0, ["Seccomp:", "2"])

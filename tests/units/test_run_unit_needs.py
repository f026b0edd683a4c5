"""run-unit: what a unit needs besides commands: mounts, files, devices, connections, IPC objects, limits."""

import socket
import sys
from pathlib import Path

import pytest

from tests.units.unit_scene import Scene, shell

PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


def test_mounts_come_before_the_start(scene: Scene) -> None:
    line = ("mount", "", "tmpfs", "/run/place/here", "tmpfs", "nofail,x-test=1,noexec,mode=0711,size=1m")
    show = shell("stat -c %a /run/place/here; grep ' /run/place/here ' /proc/self/mountinfo | cut -d' ' -f6")
    status, log = scene.result(line, show)
    assert status == 0
    assert log.split()[0] == "711"
    assert "noexec" in log
    wrong = ("mount", "-", "none", "/run/other", "no-such-type", "")
    status, log = scene.result(wrong, shell("echo started"))
    assert status == 0
    assert log == "test.service: cannot mount none on /run/other: No such device; going on\nstarted\n"
    status, log = scene.result(("mount", "", *wrong[2:]), shell("echo started"))
    assert status == 1
    assert "started" not in log


def test_open_files(scene: Scene) -> None:
    path = scene.run / "file"
    path.write_text("given")
    lines = [
        ("openfile", "/run/file", "first", "read-only"),
        ("openfile", "/none", "second", "graceful"),
        ("openfile", "/run/file", "third", "append"),
        ("listen", "stream", "/run/one", "socket"),
    ]
    show = shell("echo $LISTEN_FDS $LISTEN_FDNAMES; cat <&4; echo more >&5; echo x >&4")
    _, log = scene.result(*lines, show)
    assert log.startswith("3 socket:first:third\ngiven")
    assert path.read_text() == "givenmore\n"
    status, log = scene.result(("openfile", "/none", "x", ""), shell("true"))
    assert status == 1
    assert "cannot open /none: No such file or directory" in log


@pytest.mark.parametrize("policy", ["closed", "strict", "auto"])
def test_devices_are_limited(scene: Scene, policy: str) -> None:
    if scene._group is None:
        pytest.skip("this host has no cgroup2")
    code = (
        "import os\nfor each in ('null', 'zero', 'full', 'kmsg'):\n"
        " try: os.open(f'/dev/{each}', os.O_RDWR); print(each)\n except OSError: pass"
    )
    rule = [("deviceallow", "/dev/full", "rw"), ("deviceallow", "char-mem", "r")]
    if policy != "strict":
        rule = rule[:1]
    _, log = scene.result(("devicepolicy", policy), *rule, ("start", ":", PYTHON, "p", "-c", code))
    if "cannot limit devices" in log:
        pytest.skip("this host's kernel limits no devices")
    assert log.split() == (["full"] if policy == "strict" else ["null", "zero", "full"])


def test_each_connection_gets_a_process(scene: Scene) -> None:
    lines = [
        ("listen", "stream", "/run/one", "x"),
        ("accept", "2"),
        ("stdin", "socket"),
        ("stdout", "socket"),
    ]
    program = shell('read -r line; echo "got $line $LISTEN_FDS"; [ $line != wait ] || sleep 1000')
    with scene.start(*lines, program) as running:
        running.until("active")

        def ask(text: str) -> socket.socket:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(60)
            client.connect(str(scene.run / "one"))
            client.sendall(f"{text}\n".encode())
            return client

        for at in range(3):
            with ask(str(at)) as client:
                assert client.recv(100) == f"got {at} 1\n".encode()
                assert client.recv(100) == b""

        def served() -> socket.socket:
            """Ask until the place of an earlier connection is free: its process may still be ending."""
            while True:
                client = ask("wait")
                try:
                    if client.recv(100) == b"got wait 1\n":
                        return client
                except ConnectionResetError:
                    pass
                client.close()

        with served() as one, served() as two:
            with socket.socket(socket.AF_UNIX) as third:
                third.settimeout(60)
                third.connect(str(scene.run / "one"))
                assert third.recv(100) == b""
            running.until_log("too many connections; refused one")
            assert running.stop() == 0
            assert one.recv(100) == two.recv(100) == b""


def test_the_peer_of_a_connection(scene: Scene) -> None:
    lines = [
        ("listen", "stream", "127.0.0.1:4010", "x"),
        ("accept", "2"),
        ("stdin", "socket"),
        ("stdout", "socket"),
    ]
    client = (
        "import socket, time\n"
        "for _ in range(500):\n"
        "    try: s = socket.create_connection(('127.0.0.1', 4010)); break\n"
        "    except OSError: time.sleep(0.02)\n"
        "open('/run/answer', 'wb').write(s.recv(100))"
    )
    scene.before = f'{PYTHON} -c "{client}" &'
    with scene.start(*lines, shell("echo $REMOTE_ADDR $REMOTE_PORT")) as running:
        running.until_file(scene.run / "answer")
        address, port = (scene.run / "answer").read_text().split()
        assert address == "127.0.0.1"
        assert 0 < int(port) < 65536
        running.stop()


def test_ipc_objects_are_removed(scene: Scene) -> None:
    lines = [("removeipc", "yes"), ("user", "web")]
    make = "import ctypes; assert ctypes.CDLL(None).shmget(0, 4096, 0o1600) >= 0"
    count = shell("tail -n +2 /proc/sysvipc/shm | wc -l", "+", key="stoppost")
    scene.before = "cat >/run/after <<'X'\nX"
    status, log = scene.result(*lines, ("start", "", PYTHON, "p", "-c", make), count)
    assert (status, log.strip()) == (0, "1")
    # The namespace of IPC ends with the test, so a second unit in it looks at what the first one left.
    scene.before = f"{scene.binary} {scene.folder}; tail -n +2 /proc/sysvipc/shm | wc -l"
    status, log = scene.result(*lines, ("start", "", PYTHON, "p", "-c", make))
    assert (status, log.strip()) == (0, "0")


@pytest.mark.parametrize("mode", ["abort", "kill"])
def test_answers_to_a_timeout(scene: Scene, mode: str) -> None:
    lines = [("type", "notify"), ("timeout", "start", "200000"), ("timeoutfailure", "start", mode)]
    report = shell('echo "$EXIT_STATUS"', key="stoppost")
    _, log = scene.result(*lines, shell("trap '' TERM; while :; do sleep 0.05; done"), report)
    assert {"abort": "ABRT", "kill": "KILL"}[mode] in log.split()


def test_unknown_limits_of_the_group_are_a_note(scene: Scene) -> None:
    if scene._group is None:
        pytest.skip("this host has no cgroup2")
    status, log = scene.result(
        ("cgroup", "none.max", "1"), ("cgroup", "cgroup.max.depth", "3"), shell("echo started")
    )
    assert status == 0
    assert log == "test.service: this kernel has no none.max; ignoring it\nstarted\n"


def test_the_unit_lives_until_its_group_is_empty(scene: Scene) -> None:
    script = f"setsid sh -c 'sleep 0.5; echo x >{scene.run}/late' & exit 0"
    assert scene.result(("exittype", "cgroup"), shell(script))[0] == 0
    assert (scene.run / "late").exists()

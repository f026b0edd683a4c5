"""run-unit: messages of the service: readiness, reloads, the main process, the watchdog."""

import signal
import sys
from pathlib import Path

import pytest

from tests.units.unit_scene import Scene, shell

PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
# As the protocol of sd_notify(3) defines it.
SEND = """
import os, signal, socket, sys, time
def send(text, *fds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(os.environ["NOTIFY_SOCKET"])
        socket.send_fds(out, [text.encode()], fds) if fds else out.send(text.encode())
"""


def service(code: str) -> tuple[str, ...]:
    """Return the line of a start command in Python."""
    return ("start", ":", PYTHON, "python3", "-c", f"{SEND}{code}")


def test_a_service_is_ready_by_its_message(scene: Scene) -> None:
    go = scene.run / "go"
    wait = f"while not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
    code = f"{wait}send('READY=1\\nSTATUS=all is well'); time.sleep(1000)"
    with scene.start(("type", "notify"), service(code)) as running:
        running.until("starting")
        go.touch()
        running.until("active")
        assert (scene.run / "runit/svc.unit/status").read_text() == "all is well\n"
        assert running.stop() == 0


def test_messages_of_others_do_not_count(scene: Scene) -> None:
    code = "if os.fork() == 0: send('READY=1'); os._exit(0)\nos.wait(); time.sleep(1000)"
    lines = [("type", "notify"), ("timeout", "start", "1000000")]
    assert scene.result(*lines, ("notifyaccess", "main"), service(code))[0] == 1
    assert scene.result(*lines, ("notifyaccess", "exec"), service(code))[0] == 1
    code = "if os.fork() == 0: send('READY=1'); time.sleep(1000)\ntime.sleep(1000)"
    with scene.start(*lines, ("notifyaccess", "all"), service(code)) as running:
        running.until("active")
        running.stop()


def test_a_command_may_send_with_exec(scene: Scene) -> None:
    lines = [("type", "notify"), ("notifyaccess", "exec"), service("send('READY=1'); time.sleep(1000)")]
    post = ("post", ":", PYTHON, "p", "-c", f"{SEND}send('STATUS=from post')")
    with scene.start(*lines, post) as running:
        running.until("active")
        running.until_file(scene.run / "runit/svc.unit/status")
        running.stop()


def test_the_main_process_may_be_another(scene: Scene) -> None:
    code = """
pid = os.fork()
if pid == 0:
    time.sleep(1000)
send(f"MAINPID={pid}\\nREADY=1")
open("/run/pid", "w").write(str(pid))
"""
    with scene.start(
        ("type", "notify"), service(code), shell("echo $MAINPID >/run/reload", key="reload")
    ) as running:
        running.until("active")
        running.until_file(scene.run / "pid")
        running.signal(signal.SIGHUP)
        running.until_file(scene.run / "reload")
        assert (scene.run / "reload").read_text().strip() == (scene.run / "pid").read_text()
        assert running.stop() == 0


def test_a_main_process_that_does_not_exist_is_ignored(scene: Scene) -> None:
    code = "send('MAINPID=999999'); send('MAINPID=1'); send('MAINPID=x'); send('READY=1'); time.sleep(1000)"
    with scene.start(("type", "notify"), service(code)) as running:
        running.until("active")
        assert running.log.count("ignoring it") == 3
        running.stop()


def test_a_service_reloads_by_a_signal(scene: Scene) -> None:
    code = """
def reload(*_):
    send(f"RELOADING=1\\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    open("/run/reloaded", "w").write("x")
    send("READY=1")
signal.signal(signal.SIGUSR2, reload)
send("READY=1")
while True: time.sleep(0.05)
"""
    with scene.start(("type", "notify-reload"), ("reloadsignal", "12"), service(code)) as running:
        running.until("active")
        running.signal(signal.SIGHUP)
        running.until_file(scene.run / "reloaded")
        running.until("active")
        assert running.stop() == 0


def test_a_service_that_reloads_itself(scene: Scene) -> None:
    code = """
send("READY=1")
signal.signal(signal.SIGUSR1, lambda *_: send("RELOADING=1"))
signal.signal(signal.SIGUSR2, lambda *_: send("READY=1"))
open("/run/set", "w").write("x")
while True: time.sleep(0.05)
"""
    with scene.start(("type", "notify"), service(code)) as running:
        running.until("active")
        running.until_file(scene.run / "set")
        running.signal(signal.SIGUSR1)
        running.until("reloading")
        running.signal(signal.SIGUSR2)
        running.until("active")
        running.stop()


def test_a_longer_start_timeout(scene: Scene) -> None:
    code = "send('EXTEND_TIMEOUT_USEC=30000000'); time.sleep(1.2); send('READY=1'); time.sleep(1000)"
    with scene.start(("type", "notify"), ("timeout", "start", "1000000"), service(code)) as running:
        running.until("active")
        running.stop()


def test_a_service_that_stops_itself(scene: Scene) -> None:
    code = "send('READY=1'); time.sleep(0.1); send('STOPPING=1'); time.sleep(0.1)"
    assert scene.result(("type", "notify"), service(code)) == (0, "")


def test_the_watchdog(scene: Scene) -> None:
    code = "send('READY=1'); assert os.environ['WATCHDOG_PID'] == str(os.getpid())\ntime.sleep(1000)"
    status, log = scene.result(("type", "notify"), ("watchdog", "300000"), service(code))
    assert status == 1
    assert "watchdog: no message of the main process for 300 ms" in log
    assert "failed with result 'watchdog'" in log
    code = "send('READY=1')\nfor _ in range(20): time.sleep(0.05); send('WATCHDOG=1')"
    assert scene.result(("type", "notify"), ("watchdog", "500000"), service(code)) == (0, "")
    code = "send('READY=1'); send('WATCHDOG=trigger'); time.sleep(1000)"
    assert scene.result(("type", "notify"), service(code))[0] == 1


def test_the_watchdog_restarts(scene: Scene) -> None:
    lines = [
        ("restart", "on-watchdog"),
        ("restartsec", "0"),
        ("startlimit", "100000000", "2"),
        ("watchdog", "200000"),
    ]
    _, log = scene.result(
        ("type", "notify"), *lines, service("print('started', flush=True); send('READY=1'); time.sleep(1000)")
    )
    assert log.count("started\n") == 2


@pytest.mark.parametrize(
    "text", ["\\n" * 4000, "x" * 5000, "=", "READY", "\\0READY=1", "WATCHDOG_USEC=99999999999999999999"]
)
def test_hostile_messages(scene: Scene, text: str) -> None:
    code = f"send('{text}', 0, 1, 2); send('READY=1'); time.sleep(1000)"
    with scene.start(("type", "notify"), service(code)) as running:
        running.until("active")
        fds = list(Path(f"/proc/{running.pid}/fd").iterdir())
        assert len(fds) < 14  # descriptors of messages are closed
        running.stop()


@pytest.mark.parametrize(("ends", "said"), [("os._exit(3)", "status=3"), ("os.abort()", "signal=ABRT")])
def test_the_status_of_a_main_process_that_was_adopted(scene: Scene, ends: str, said: str) -> None:
    """Its parent ends after the message, so that run-unit gets it as a child, and its crash is one."""
    code = f"""
pid = os.fork()
if pid == 0:
    while os.getppid() == {{parent}}: time.sleep(0.01)
    time.sleep(0.3)
    {ends}
send(f"MAINPID={{pid}}\\nREADY=1")
time.sleep(0.3)
""".replace("{parent}", "parent").replace("{pid}", "{pid}")
    code = "parent = os.getpid()\n" + code
    for _ in range(3):
        status, log = scene.result(("type", "notify"), service(code))
        assert status == 1
        assert said in log

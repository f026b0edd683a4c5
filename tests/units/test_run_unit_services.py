"""run-unit: other services of the machine, by the files of runsv and of other units, and runsv's own pipe."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.units.unit_scene import Scene, shell

FOREVER = shell("exec sleep 1000")


def status(scene: Scene, name: str, *, runs: bool, wanted: bool) -> None:
    """Write the status of a service as runsv does (update_status in runit's runsv.c)."""
    folder = scene.run / "runit" / name
    folder.mkdir(parents=True, exist_ok=True)
    data = bytearray(20)
    data[17], data[19] = ord("u" if wanted else "d"), int(runs)
    (folder / "status.new").write_bytes(data)
    (folder / "status.new").rename(folder / "status")


def state(scene: Scene, name: str, word: str, pid: int = 1) -> None:
    """Write the state of a unit as run-unit does; by default as one of a process that runs."""
    folder = scene.run / f"runit/{name}.unit"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.new").write_text(f"{word} {pid} success\n")
    (folder / "state.new").rename(folder / "state")


@contextmanager
def runsv(scene: Scene, name: str) -> Iterator[int]:
    """Make the pipe of a service's runsv; yield its reader."""
    folder = scene.run / "runit" / name
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / "control")
    reader = os.open(folder / "control", os.O_RDWR | os.O_NONBLOCK)
    try:
        yield reader
    finally:
        os.close(reader)


def letters(reader: int) -> str:
    try:
        return os.read(reader, 100).decode()
    except BlockingIOError:
        return ""


@pytest.mark.parametrize(
    ("script", "lines", "letter"),
    [
        ("exit 0", (), "o"),
        ("exit 1", (), "o"),
        ("exit 1", (("restart", "always"), ("restartsec", "0"), ("startlimit", "100000000", "2")), "o"),
        ("exit 0", (("condition", "", "PathExists", "/none"),), "o"),
    ],
)
def test_a_unit_that_ended_is_not_started_again(
    scene: Scene, script: str, lines: tuple[tuple[str, ...], ...], letter: str
) -> None:
    with runsv(scene, "svc") as reader:
        scene.result(*lines, shell(script))
        assert letters(reader) == letter


def test_a_stopped_unit_leaves_the_wish_to_runsv(scene: Scene) -> None:
    with runsv(scene, "svc") as reader, scene.start(FOREVER) as running:
        running.until("active")
        running.stop()
        assert letters(reader) == ""


@pytest.mark.parametrize("word", ["active", "inactive", "skipped", "failed", "stopped"])
def test_a_unit_waits_until_others_are_settled(scene: Scene, word: str) -> None:
    state(scene, "other", "starting")
    with scene.start(("after", "other"), FOREVER) as running:
        running.until("waiting")
        state(scene, "other", word)
        running.until("active")
        running.stop()


@pytest.mark.parametrize("word", ["failed", "stopped"])
def test_a_unit_fails_with_a_service_that_it_requires(scene: Scene, word: str) -> None:
    state(scene, "other", word)
    exit_status, log = scene.result(("after", "other"), ("requires", "other"), shell("echo started"))
    assert exit_status == 1
    assert log == "test.service: not started: the service other, which it requires, is not running\n"


def test_a_stop_while_a_unit_waits(scene: Scene) -> None:
    state(scene, "other", "starting")
    with scene.start(("after", "other"), shell("echo started")) as running:
        running.until("waiting")
        assert running.stop() == 0
    assert running.log == ""


def test_a_service_without_a_unit_is_ready_by_its_check(scene: Scene) -> None:
    folder = scene.run / "service/other"
    folder.mkdir(parents=True)
    (folder / "check").write_text(f"#!/bin/sh\n[ -e {scene.run}/go ]\n")
    (folder / "check").chmod(0o755)
    status(scene, "other", runs=True, wanted=True)
    with scene.start(("after", "other"), FOREVER) as running:
        running.until("waiting")
        (scene.run / "go").touch()
        running.until("active")
        running.stop()
    status(scene, "other", runs=False, wanted=False)
    with scene.start(("after", "other"), FOREVER) as running:
        running.until("active")
        running.stop()


def test_wanted_services_are_started(scene: Scene) -> None:
    status(scene, "other", runs=False, wanted=False)
    with runsv(scene, "other") as reader, scene.start(("wants", "other"), FOREVER) as running:
        running.until("active")
        assert letters(reader) == "u"
        running.stop()


def test_conflicting_services_are_stopped(scene: Scene) -> None:
    status(scene, "other", runs=True, wanted=True)
    with runsv(scene, "other") as reader, scene.start(("conflicts", "other"), FOREVER) as running:
        running.until_log("stopping with the service other")
        assert letters(reader).startswith("d")
        running.end()


@pytest.mark.parametrize("key", ["requires", "bindsto", "partof", "stopfrom"])
def test_a_unit_stops_with_another(scene: Scene, key: str) -> None:
    state(scene, "other", "active")
    status(scene, "other", runs=True, wanted=True)
    with runsv(scene, "svc") as reader, scene.start((key, "other"), FOREVER) as running:
        running.until("active")
        status(scene, "other", runs=True, wanted=False)
        state(scene, "other", "stopping")
        assert running.end() == 0
        assert running.state == "stopped"
        assert letters(reader) == "o"


def test_a_unit_restarts_with_another(scene: Scene) -> None:
    state(scene, "other", "active")
    status(scene, "other", runs=True, wanted=True)
    lines = [("requires", "other"), ("after", "other"), shell("echo started; exec sleep 1000")]
    with scene.start(*lines) as running:
        running.until_log("started\n")
        running.until("active")
        state(scene, "other", "stopping")
        running.until_log("stopping with the service other")
        running.until("waiting")
        (scene.run / "runit/other.unit/state.new").write_text("x")  # the first half of the next change
        time.sleep(0.3)
        state(scene, "other", "starting")
        running.until("waiting")
        state(scene, "other", "active")
        running.until("active")
        running.until_log("started\ntest.service: stopping with the service other\nstarted\n")
        running.stop()


def test_a_unit_waits_for_a_slow_stop_of_another(scene: Scene) -> None:
    """`sv restart other`: it is stopping, and runsv will start it again."""
    state(scene, "other", "stopping")
    status(scene, "other", runs=True, wanted=True)
    with scene.start(("requires", "other"), ("after", "other"), FOREVER) as running:
        running.until("waiting")
        time.sleep(1.2)  # a service that stays down is a failure after a second
        assert running.state == "waiting"
        state(scene, "other", "active")
        running.until("active")
        running.stop()


def test_a_reload_follows_another(scene: Scene) -> None:
    state(scene, "other", "active")
    done = scene.run / "done"
    with scene.start(("reloadfrom", "other"), shell(f"echo x >{done}", key="reload"), FOREVER) as running:
        running.until("active")
        (scene.run / "runit/other.unit/reload").touch()
        running.until_file(done)
        running.stop()


def test_a_reload_is_announced(scene: Scene) -> None:
    with scene.start(shell("true", key="reload"), FOREVER) as running:
        running.until("active")
        running.signal(signal.SIGHUP)
        running._wait((scene.run / "runit/svc.unit/reload").exists, "a file for other units")
        running.stop()


def test_an_idle_unit_waits_for_others_that_start(scene: Scene) -> None:
    state(scene, "other", "starting", 2)
    with scene.start(("type", "idle"), shell("echo started; exec sleep 1000")) as running:
        running.until_log("started")
        running.stop()


def test_the_state_of_a_killed_run_unit_does_not_count(scene: Scene) -> None:
    state(scene, "other", "active", 999999)
    with scene.start(("after", "other"), FOREVER) as running:
        running.until("waiting")
        state(scene, "other", "active")
        running.until("active")
        running.stop()


def test_processes_of_a_killed_run_unit_are_ended(scene: Scene) -> None:
    """The second run-unit of the same namespace finds them in the control group."""
    if scene._group is None:
        pytest.skip("this host has no cgroup2")
    pids: Path = scene.run / "pids"
    wait = f"while ! [ -s {pids} ]; do sleep 0.02; done"
    runner = f"{scene.binary} {scene.folder} & {wait}; kill -9 $!; wait"
    scene.before = runner
    with scene.start(shell(f"echo $$ >>{pids}; exec sleep 1000")) as running:
        running.until_log("ending 1 processes that were left")
        running.until("active")
        running.stop()


def test_a_service_that_restarts_has_failed_once(scene: Scene) -> None:
    """Services after it wait no longer. In systemd the first failed start job ends their wait too."""
    state(scene, "other", "starting")
    with scene.start(("after", "other"), FOREVER) as running:
        running.until("waiting")
        state(scene, "other", "restarting")
        running.until("active")
        running.stop()


def test_a_needed_service_that_restarts(scene: Scene) -> None:
    state(scene, "other", "restarting")
    with scene.start(("after", "other"), ("requires", "other"), FOREVER) as running:
        running.until("waiting")
        time.sleep(0.5)
        assert running.state == "waiting"
        state(scene, "other", "active")
        running.until("active")
        running.stop()

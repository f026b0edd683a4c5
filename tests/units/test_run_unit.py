"""run-unit: the life of a unit, from its conditions to its stop, and the ways in which it fails."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.units.unit_scene import Running, Scene, shell

FAST = ("restartsec", "20000")
FOREVER = "exec sleep 1000"


def wait_then(path: Path, then: str = FOREVER) -> str:
    """Return a script that writes its process id to a file, and goes on."""
    return f"echo $$ >{path}; {then}"


def processes(running: Running) -> int:
    """Return the number of processes in the namespace besides run-unit."""
    own = Path(f"/proc/{running.pid}/ns/pid").readlink()
    count = 0
    for each in Path("/proc").glob("[0-9]*/ns/pid"):
        try:
            if (
                each.readlink() == own
                and "Z" not in (each.parents[1] / "stat").read_text().split(") ")[1][:1]
            ):
                count += 1
        except OSError:
            continue
    return count - 1


def test_a_simple_unit_runs_until_it_is_stopped(scene: Scene) -> None:
    with scene.start(shell(wait_then(scene.run / "pid"))) as running:
        running.until("active")
        running.until_file(scene.run / "pid")
        assert (scene.run / "runit/svc.unit/ready").exists()
        assert running.stop() == 0
        assert running.state == "stopped"
    assert not (scene.run / "runit/svc.unit/ready").exists()
    assert running.log == ""


def test_steps_run_in_order(scene: Scene) -> None:
    order = scene.run / "order"
    lines = [
        shell(f"echo {key} >>{order}", key=key)
        for key in ("execcondition", "pre", "post", "stop", "stoppost")
    ]
    with scene.start(*lines, shell(f"echo start >>{order}; trap '' HUP; {FOREVER}")) as running:
        running.until("active")
        running.until_file(order)
        assert running.stop() == 0
    said = order.read_text().split()
    assert sorted(said[2:4]) == ["post", "start"]  # the main process of a simple unit is not waited for
    assert [*said[:2], *said[4:]] == ["execcondition", "pre", "stop", "stoppost"]


def test_stop_commands_know_the_result(scene: Scene) -> None:
    report = 'echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS ${MAINPID-none}"'
    status, log = scene.result(shell("exit 7"), shell(report, key="stoppost"))
    assert status == 1
    assert "exit-code exited 7 none" in log
    assert "main process exited, status=7" in log
    assert log.count("failed with result 'exit-code'") == 1


def test_a_signal_ends_a_unit(scene: Scene) -> None:
    report = 'echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS"'
    _, log = scene.result(shell("kill -SEGV $$"), shell(report, key="stoppost"))
    assert re.search("(signal killed|core-dump dumped) SEGV", log)


@pytest.mark.parametrize(
    ("script", "key", "good"),
    [
        ("exit 0", (), True),
        ("exit 143", (), False),
        ("exit 143", ("success", "143"), True),
        ("kill -TERM $$", (), True),
        ("kill -KILL $$", (), False),
        ("kill -KILL $$", ("success", "SIG9"), True),
        ("exit 75", ("success", "TEMPFAIL"), True),
    ],
)
def test_success_is_what_the_unit_says(scene: Scene, script: str, key: tuple[str, ...], good: bool) -> None:
    status, log = scene.result(*([key] if key else []), shell(script))
    assert status == (0 if good else 1), log


def test_a_oneshot_runs_all_commands(scene: Scene) -> None:
    done = scene.run / "done"
    lines = [shell(f"echo {at} >>{done}") for at in range(3)]
    assert scene.result(("type", "oneshot"), *lines)[0] == 0
    assert done.read_text().split() == ["0", "1", "2"]
    assert (scene.run / "runit/svc.unit/state").read_text().startswith("inactive ")


def test_a_oneshot_stops_at_the_first_failure(scene: Scene) -> None:
    done = scene.run / "done"
    lines = [shell(f"echo 0 >>{done}"), shell("exit 4", "-"), shell("exit 5"), shell(f"echo 3 >>{done}")]
    status, log = scene.result(("type", "oneshot"), *lines)
    assert status == 1
    assert "ExecStart /bin/sh exited, status=5" in log
    assert done.read_text() == "0\n"


def test_a_oneshot_remains_until_it_is_stopped(scene: Scene) -> None:
    stopped = scene.run / "stopped"
    lines = [("type", "oneshot"), ("remain", "yes"), shell("true"), shell(f"echo x >{stopped}", key="stop")]
    with scene.start(*lines) as running:
        running.until("active")
        assert not stopped.exists()
        assert running.stop() == 0
    assert stopped.exists()


def test_a_oneshot_that_remains_reloads(scene: Scene) -> None:
    lines = [("type", "oneshot"), ("remain", "yes"), shell("true"), shell("echo reloaded", key="reload")]
    with scene.start(*lines) as running:
        running.until("active")
        running.signal(signal.SIGHUP)
        running.until_log("reloaded\n")
        assert running.stop() == 0


def test_a_stop_has_a_result_too(scene: Scene) -> None:
    ready = scene.run / "ready"
    script = f"trap 'exit 3' TERM; echo x >{ready}; while :; do sleep 0.02; done"
    with scene.start(shell(script), shell("echo $SERVICE_RESULT $EXIT_STATUS", key="stoppost")) as running:
        running.until_file(ready)
        assert running.stop() == 0
    assert "exit-code 3\n" in running.log
    assert running.state == "stopped"


def test_many_restarts_begin_with_fresh_memory(scene: Scene) -> None:
    """After 200 restarts it executes itself; the process and its pid stay."""
    lines = [("restart", "always"), ("restartsec", "0"), ("startlimit", "0", "0")]
    count = scene.run / "count"
    with scene.start(*lines, ("start", "", "/bin/sh", "sh", "-c", f"echo x >>{count}")) as running:
        running._wait(lambda: count.exists() and count.stat().st_size > 2 * 250, "250 starts")
        size = int(Path(f"/proc/{running.pid}/statm").read_text().split()[1])
        assert size < 300  # pages
        assert running.stop() == 0


def test_once_gives_the_status_of_the_command(scene: Scene) -> None:
    scene.words = ("--once",)
    assert scene.result(("type", "oneshot"), shell("exit 6"))[0] == 6
    assert scene.result(("type", "oneshot"), ("restart", "always"), shell("exit 0"))[0] == 0


def test_exec_waits_for_the_program(scene: Scene) -> None:
    with scene.start(("type", "exec"), shell(FOREVER)) as running:
        running.until("active")
        running.stop()
    status, log = scene.result(("type", "exec"), ("start", "", "/none", "/none"))
    assert status == 1
    assert "step EXEC: /none: No such file or directory" in log
    assert "main process exited, status=203/EXEC" in log


def test_a_missing_program_is_one_line(scene: Scene) -> None:
    status, log = scene.result(("start", "", "/usr/bin/none", "none"))
    assert status == 1
    assert log.splitlines() == [
        "test.service: step EXEC: /usr/bin/none: No such file or directory",
        "test.service: main process exited, status=203/EXEC",
        "test.service: failed with result 'exit-code'",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("user", "nobody-here"), "step USER: the user nobody-here does not exist"),
        (("group", "none-here"), "step GROUP: the group none-here does not exist"),
        (("supplementary", "none-here"), "step GROUP: the group none-here does not exist"),
        (("cwd", "", "/none"), "step CHDIR: /none: No such file or directory"),
        (("envfile", "", "/none"), "cannot read the environment: /none: No such file or directory"),
        (("ro", "", "/none"), "step NAMESPACE: /none: No such file or directory"),
        (("stdin", "file:/none/x"), "step STDIN: "),
        (("stdout", "append:/none/x"), "step STDOUT: "),
        (("root", "/none"), "step NAMESPACE: "),
    ],
)
def test_a_failure_names_its_step(scene: Scene, line: tuple[str, ...], said: str) -> None:
    status, log = scene.result(line, ("start", "", "/bin/true", "true"))
    assert status == 1
    assert log.startswith(f"test.service: {said}")


def test_a_start_that_takes_too_long_is_ended(scene: Scene) -> None:
    status, log = scene.result(("type", "notify"), ("timeout", "start", "300000"), shell(FOREVER))
    assert status == 1
    assert "start timed out: the main process is not ready" in log
    assert "failed with result 'timeout'" in log


def test_a_first_command_that_takes_too_long_is_ended(scene: Scene) -> None:
    lines = [shell(FOREVER, key="pre"), shell(FOREVER)]
    status, log = scene.result(("timeout", "start", "300000"), *lines)
    assert status == 1
    assert "ExecStartPre /bin/sh timed out" in log


def test_a_stubborn_child_is_killed(scene: Scene) -> None:
    ready = scene.run / "ready"
    child = f"(trap '' TERM; echo x >{ready}; while :; do sleep 0.05; done) &"
    with scene.start(("timeout", "stop", "300000"), shell(f"trap '' TERM; {child} wait; wait")) as running:
        running.until_file(ready)
        assert running.stop() == 0
    assert "stop timed out; killing" in running.log
    assert running.state == "stopped"


def test_children_of_an_ended_main_process_are_ended(scene: Scene) -> None:
    child = scene.run / "child"
    status, _ = scene.result(
        shell(f"setsid sh -c 'echo $$ >{child}; exec sleep 1000' & while ! [ -s {child} ]; do :; done")
    )
    assert status == 0
    assert scene._group is None or not scene._group.exists()


def test_the_main_process_ends_before_it_is_ready(scene: Scene) -> None:
    status, log = scene.result(("type", "notify"), shell("exit 0"))
    assert status == 1
    assert "it ended before it was ready" in log
    assert "failed with result 'protocol'" in log


def test_a_pid_file_that_never_appears(scene: Scene) -> None:
    lines = [("type", "forking"), ("pidfile", "/run/none.pid"), ("timeout", "start", "300000")]
    status, log = scene.result(*lines, shell("sleep 1000 & exit 0"))
    assert status == 1
    assert "start timed out: no valid PID file /run/none.pid" in log
    status, log = scene.result(*lines, shell("exit 0"))
    assert status == 1
    assert "the daemon ended without a valid PID file /run/none.pid" in log
    assert "failed with result 'protocol'" in log


def test_a_pid_file_names_the_main_process(scene: Scene) -> None:
    script = "(setsid sh -c 'sleep 0.2; echo $$ >/run/x.pid; exec sleep 1000' &) ; exit 0"
    lines = [("type", "forking"), ("pidfile", "/run/x.pid"), shell(script)]
    with scene.start(*lines, shell("kill -USR1 $MAINPID", key="reload")) as running:
        running.until("active")
        main = int((scene.run / "x.pid").read_text())
        running.signal(signal.SIGHUP)  # the main process dies of USR1
        assert running.end() == 1
    assert main > 1
    assert "main process killed, signal=USR1" in running.log
    assert not (scene.run / "x.pid").exists()


def test_a_double_fork_is_followed(scene: Scene) -> None:
    pid = scene.run / "pid"
    script = f"(setsid sh -c '(echo $$; exec sleep 1000) >{pid}' &); while ! [ -s {pid} ]; do :; done; exit 0"
    with scene.start(("type", "forking"), shell(script)) as running:
        running.until("active")
        assert processes(running) >= 1
        assert running.stop() == 0
        assert running.state == "stopped"


def test_a_forking_unit_ends_with_its_process(scene: Scene) -> None:
    status, log = scene.result(("type", "forking"), shell("(setsid sh -c 'sleep 0.2; exit 3' &); exit 0"))
    assert status in (0, 1)
    assert (status == 1) == ("main process exited, status=3" in log)


def test_restarts_are_limited(scene: Scene) -> None:
    lines = [("restart", "on-failure"), FAST, ("startlimit", "10000000", "3")]
    status, log = scene.result(*lines, shell("echo started; exit 1"))
    assert status == 1
    assert log.count("started\n") == 3
    assert "start requested too often; not started again" in log
    assert (scene.run / "runit/svc.unit/state").read_text().split()[::2] == ["failed", "start-limit-hit"]


@pytest.mark.parametrize(
    ("policy", "script", "again"),
    [
        ("no", "exit 1", False),
        ("always", "exit 0", True),
        ("always", "exit 1", True),
        ("on-success", "exit 0", True),
        ("on-success", "exit 1", False),
        ("on-failure", "exit 0", False),
        ("on-failure", "kill -KILL $$", True),
        ("on-abnormal", "exit 1", False),
        ("on-abnormal", "kill -KILL $$", True),
        ("on-abort", "exit 1", False),
        ("on-abort", "kill -ABRT $$", True),
        ("on-watchdog", "kill -ABRT $$", False),
    ],
)
def test_restart_policies(scene: Scene, policy: str, script: str, again: bool) -> None:
    """The table of Restart= in systemd.service(5)."""
    lines = [("restart", policy), FAST, ("startlimit", "10000000", "2")]
    _, log = scene.result(*lines, shell(f"echo started; {script}"))
    assert log.count("started\n") == (2 if again else 1)


def test_statuses_prevent_and_force_restarts(scene: Scene) -> None:
    limit = ("startlimit", "10000000", "2")
    _, log = scene.result(
        ("restart", "always"), FAST, limit, ("restartprevent", "3"), shell("echo started; exit 3")
    )
    assert log.count("started\n") == 1
    _, log = scene.result(FAST, limit, ("restartforce", "3"), shell("echo started; exit 3"))
    assert log.count("started\n") == 2


def test_a_stop_while_it_waits_for_a_restart(scene: Scene) -> None:
    with scene.start(("restart", "always"), ("restartsec", "infinity"), shell("exit 1")) as running:
        running.until("restarting")
        assert running.stop() == 0
        assert running.state == "stopped"


@pytest.mark.parametrize(
    ("conditions", "starts"),
    [
        ([("", "PathExists", "/etc/passwd")], True),
        ([("", "PathExists", "/none")], False),
        ([("!", "PathExists", "/none")], True),
        ([("|", "PathExists", "/none"), ("|", "PathExists", "/etc")], True),
        ([("|", "PathExists", "/none"), ("|!", "PathExists", "/etc")], False),
        ([("|", "PathExists", "/etc"), ("", "PathExists", "/none")], False),
        ([("", "PathExistsGlob", "/etc/pass*")], True),
        ([("", "PathIsDirectory", "/etc/passwd")], False),
        ([("", "PathIsSymbolicLink", "/proc/self")], True),
        ([("", "PathIsMountPoint", "/run")], True),
        ([("", "PathIsMountPoint", "/etc")], False),
        ([("", "PathIsReadWrite", "/run")], True),
        ([("", "DirectoryNotEmpty", "/etc")], True),
        ([("", "FileNotEmpty", "/etc/passwd")], True),
        ([("", "FileNotEmpty", "/dev/null")], False),
        ([("", "FileIsExecutable", "/bin/sh")], True),
        ([("", "User", "root")], True),
        ([("", "User", "web")], False),
        ([("", "Group", "root")], True),
        ([("", "KernelVersion", ">=4.0")], True),
        ([("", "KernelVersion", "<4.0")], False),
        ([("", "KernelVersion", ">=4.0 <99")], True),
        ([("", "Memory", ">=1M")], True),
        ([("", "Memory", ">=1000T")], False),
        ([("", "CPUs", ">=1")], True),
        ([("", "CPUs", "<1")], False),
        ([("", "Environment", "NO_SUCH")], False),
        ([("", "Environment", "PATH")], True),
        ([("", "Capability", "CAP_CHOWN")], True),
        ([("", "Host", "no-such-host")], False),
        ([("", "KernelCommandLine", "no_such_word")], False),
        ([("", "ControlGroupController", "no-such")], False),
        ([("", "ACPower", "true")], True),
        ([("", "OSRelease", "ID=no-such")], False),
    ],
)
def test_conditions(scene: Scene, conditions: list[tuple[str, ...]], starts: bool) -> None:
    status, log = scene.result(*(("condition", *each) for each in conditions), shell("echo started"))
    assert status == 0
    assert (log == "started\n") == starts
    assert ("is not met; not started" in log) == (not starts)
    assert len(log.splitlines()) == 1


def test_an_assertion_is_a_failure(scene: Scene) -> None:
    status, log = scene.result(
        ("assert", "", "PathExists", "/none"), ("restart", "always"), shell("echo started")
    )
    assert status == 1
    assert log == "test.service: AssertPathExists=/none is not met; not started\n"


def test_success_statuses_are_for_the_main_process(scene: Scene) -> None:
    status, log = scene.result(("success", "5"), shell("exit 5", key="pre"), shell("echo started"))
    assert status == 1
    assert "ExecStartPre /bin/sh exited, status=5" in log


def test_a_condition_command_skips_the_start(scene: Scene) -> None:
    status, log = scene.result(
        shell("exit 3", key="execcondition"), ("restart", "always"), shell("echo started")
    )
    assert status == 0
    assert log == "test.service: condition /bin/sh is not met (status 3); not started\n"
    status, log = scene.result(shell("exit 255", key="execcondition"), shell("echo started"))
    assert status == 1
    assert "started\n" not in log


def test_a_reload_runs_its_commands(scene: Scene) -> None:
    done = scene.run / "done"
    lines = [shell(f"echo $MAINPID >{done}", key="reload"), shell(wait_then(scene.run / "pid"))]
    with scene.start(*lines) as running:
        running.until("active")
        running.until_file(scene.run / "pid")
        running.signal(signal.SIGHUP)
        running.until_file(done)
        running.until("active")
        running.stop()
    assert done.read_text() == (scene.run / "pid").read_text()


def test_a_reload_of_a_unit_without_one_does_nothing(scene: Scene) -> None:
    with scene.start(shell(FOREVER)) as running:
        running.until("active")
        running.signal(signal.SIGHUP)
        running.until_log("the unit has no ExecReload; not reloaded")
        assert running.state == "active"
        running.stop()


def test_a_failed_reload_keeps_the_unit(scene: Scene) -> None:
    with scene.start(shell("exit 9", key="reload"), shell(FOREVER)) as running:
        running.until("active")
        running.signal(signal.SIGHUP)
        running.until_log("ExecReload /bin/sh exited, status=9")
        running.until("active")
        assert running.stop() == 0


def test_a_reload_in_the_start_phase_waits(scene: Scene) -> None:
    go, done = scene.run / "go", scene.run / "done"
    lines = [shell(f"echo x >{scene.run}/pre; while ! [ -e {go} ]; do sleep 0.02; done", key="pre")]
    with scene.start(*lines, shell(f"echo x >{done}", key="reload"), shell(FOREVER)) as running:
        running.until_file(scene.run / "pre")
        running.signal(signal.SIGHUP)
        assert not done.exists()
        go.touch()
        running.until_file(done)
        assert running.stop() == 0


def test_a_stop_in_the_start_phase(scene: Scene) -> None:
    stopped = scene.run / "stopped"
    lines = [shell(f"echo x >{scene.run}/pre; {FOREVER}", key="pre"), shell("echo started")]
    lines += [shell(f"echo stop >>{stopped}", key="stop"), shell(f"echo post >>{stopped}", key="stoppost")]
    with scene.start(*lines) as running:
        running.until_file(scene.run / "pre")
        assert running.stop() == 0
        assert running.state == "stopped"
    assert "started" not in running.log
    assert stopped.read_text() == "post\n"  # ExecStop is for a unit that has started


def test_other_signals_reach_the_main_process(scene: Scene) -> None:
    ready, got = scene.run / "ready", scene.run / "got"
    script = f"trap 'echo x >{got}' USR1; echo x >{ready}; while :; do sleep 0.02; done"
    with scene.start(shell(script)) as running:
        running.until_file(ready)
        running.signal(signal.SIGUSR1)
        running.until_file(got)
        running.stop()


def test_the_signal_of_the_stop(scene: Scene) -> None:
    ready, got = scene.run / "ready", scene.run / "got"
    script = f"trap 'echo x >{got}; exit 0' QUIT; trap '' TERM; echo x >{ready}; while :; do sleep 0.02; done"
    with scene.start(("killsignal", "3"), shell(script)) as running:
        running.until_file(ready)
        assert running.stop() == 0
    assert got.exists()


@pytest.mark.parametrize("mode", ["control-group", "mixed", "process", "none"])
def test_kill_modes(scene: Scene, mode: str) -> None:
    """The child notes a TERM: it gets one with control-group alone."""
    ready, got = scene.run / "ready", scene.run / "got"
    loop = "while :; do sleep 0.02; done"
    child = f"sh -c \"trap 'echo x >{got}; exit' TERM; echo x >{ready}; {loop}\" &"
    script = f"trap 'exit 0' TERM; {child} {loop}"
    with scene.start(("killmode", mode), ("timeout", "stop", "1000000"), shell(script)) as running:
        running.until_file(ready)
        assert running.stop() == 0
        group = scene._group
        if group is not None:  # with processes in it, the group could not have been removed
            assert (group / "notos/svc").exists() == (mode in ("process", "none"))
    if mode == "control-group":
        assert got.exists()
    else:
        assert not got.exists()


def test_no_kill_if_the_unit_forbids_it(scene: Scene) -> None:
    ready = scene.run / "ready"
    script = f"trap '' TERM; echo x >{ready}; while :; do sleep 0.02; done"
    with scene.start(("sendsigkill", "no"), ("timeout", "stop", "200000"), shell(script)) as running:
        running.until_file(ready)
        running.stop()
    assert "SendSIGKILL=no keeps them" in running.log


def test_the_longest_run_time(scene: Scene) -> None:
    status, log = scene.result(("runtimemax", "200000"), shell(FOREVER))
    assert status == 1
    assert "the time of RuntimeMaxSec is over" in log


@pytest.mark.parametrize("key", ["pre", "start", "post", "stop", "stoppost"])
def test_descriptors_do_not_leak(scene: Scene, key: str) -> None:
    """The shell has three, and one of the folder that it reads."""
    count = shell("set -- /proc/$$/fd/*; echo $#", key=key)
    _, log = scene.result(*([] if key == "start" else [shell("true")]), count)
    assert log == "4\n"


def test_without_control_groups(scene: Scene) -> None:
    scene.cgroup = False
    ready = scene.run / "ready"
    script = f"setsid sh -c 'echo x >{ready}; exec sleep 1000' & exec sleep 1000"
    with scene.start(shell(script)) as running:
        running.until_file(ready)
        assert processes(running) == 2
        assert running.stop() == 0


def test_a_stop_of_the_process_alone_leaves_others(scene: Scene) -> None:
    """As with a session of sshd: neither the stop nor the next start ends it."""
    pid = scene.run / "pid"
    script = f"setsid sh -c 'echo $$ >{pid}.new; mv {pid}.new {pid}; exec sleep 1000' & exec sleep 1000"
    wait = f"while ! [ -s {pid} ]; do sleep 0.02; done; kill $!; wait $!"
    scene.before = f"{scene.binary} {scene.folder} & {wait}; kill -0 $(cat {pid}) && echo alive"
    lines = [("killmode", "process"), ("execcondition", ":", "/bin/sh", "sh", "-c", "true")]
    with scene.start(*lines, shell(script)) as running:
        running.until_log("alive\n")
        running.until("active")
        running.stop()
    assert "were left" not in running.log


def test_a_second_run_unit_is_refused(scene: Scene) -> None:
    with scene.start(shell(FOREVER)) as running:
        running.until("active")
        words = ["nsenter", "-t", str(running.pid), "-m", "-p", str(scene.binary), str(scene.folder)]
        assert os.spawnvp(os.P_WAIT, "nsenter", words) == 1
        running.stop()


def test_ready_is_the_check(scene: Scene) -> None:
    def ready() -> int:
        words = ["nsenter", "-t", str(running.pid), "-m", "-p", str(scene.binary), "--ready", "svc"]
        return os.spawnvp(os.P_WAIT, "nsenter", words)

    go = scene.run / "go"
    lines = [shell(f"while ! [ -e {go} ]; do sleep 0.02; done", key="pre"), shell(FOREVER)]
    with scene.start(*lines) as running:
        running.until("starting")
        assert ready() == 1
        go.touch()
        running.until("active")
        assert ready() == 0
        running.stop()


def test_a_stop_in_the_pause_starts_no_other_service(scene: Scene) -> None:
    """Neither does a stop that comes before the unit looks for the services that it needs."""
    folder = scene.run / "runit/other"
    folder.mkdir(parents=True)
    (folder / "status").write_bytes(bytes(17) + b"d\0\0")
    os.mkfifo(folder / "control")
    reader = os.open(folder / "control", os.O_RDWR | os.O_NONBLOCK)
    lines = [("restart", "always"), ("restartsec", "infinity"), ("wants", "other"), shell("exit 1")]
    try:
        with scene.start(*lines) as running:
            running.until("restarting")
            assert os.read(reader, 9) == b"u"
            assert running.stop() == 0
            with pytest.raises(BlockingIOError):
                os.read(reader, 9)
    finally:
        os.close(reader)


def test_many_starts_are_within_a_large_limit(scene: Scene) -> None:
    count = scene.run / "count"
    script = f"echo x >>{count}; [ $(wc -l <{count}) -lt 8 ]"
    limit = ("startlimit", "100000000", "1000")
    assert scene.result(("restart", "on-success"), FAST, limit, shell(script))[0] == 1
    assert count.read_text() == "x\n" * 8


def test_a_reload_is_no_new_start(scene: Scene) -> None:
    """A switch takes another file `ready` as a restart (scripts/switch/settle)."""
    ready = scene.run / "runit/svc.unit/ready"
    ready.parent.mkdir(parents=True)
    ready.write_text("active 1 success\n")  # of a run-unit that was killed
    with scene.start(shell("exit 0", key="reload"), shell("sleep 1", key="pre"), shell(FOREVER)) as running:
        running.until("starting")
        assert not ready.exists()
        running.until("active")
        before = ready.stat().st_ino
        running.signal(signal.SIGHUP)
        running._wait((scene.run / "runit/svc.unit/reload").exists, "the reload")
        running.until("active")
        assert ready.stat().st_ino == before
        running.stop()

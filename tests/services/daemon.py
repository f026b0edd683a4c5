"""A row of the table of daemons, and the tests of its life, which all machines share."""

import re
from dataclasses import dataclass
from typing import ClassVar

from notos.vm import Machine

SLOW = 180.0  # seconds for a daemon to start under emulation, when others start too
_STATE = "grep ^active /run/runit/{}.unit/state"
_PROCESSES = "cat /sys/fs/cgroup/notos/{}/cgroup.procs 2>/dev/null || :"


@dataclass(frozen=True)
class Daemon:
    """A daemon of a machine.

    service     its name in the config
    ask         a command in the machine that succeeds if the daemon answers
    reload      False if its unit has no ExecReload
    once        True for a unit without a process (oneshot)
    write       a command that stores data, if the daemon has any
    read        a command that succeeds after a reboot if the data are still there
    """

    service: str
    ask: str
    reload: bool = True
    once: bool = False
    write: str = ""
    read: str = ""

    def answers(self, machine: Machine) -> None:
        """Wait until the daemon answers. Raises MachineTimeoutError."""
        machine.wait_until_succeeds(self.ask, SLOW)

    def pid(self, machine: Machine) -> str:
        """Return the main process of the daemon; "0" for a unit without one."""
        state = machine.wait_until_succeeds(_STATE.format(self.service), SLOW)
        found = re.search(r"\b\d+\b", state)
        assert found, state
        return found[0]


class Life:
    """The tests of a machine's daemons, in their order; each daemon answers after each of them."""

    DAEMONS: ClassVar[tuple[Daemon, ...]]

    def test_it_answers(self, booted: Machine, daemon: Daemon) -> None:
        daemon.answers(booted)

    def test_reload_keeps_the_process(self, booted: Machine, daemon: Daemon) -> None:
        if not daemon.reload:
            return
        before = daemon.pid(booted)
        booted.succeed(f"sv reload {daemon.service}")
        daemon.answers(booted)
        assert daemon.pid(booted) == before

    def test_restart_makes_a_new_process(self, booted: Machine, daemon: Daemon) -> None:
        before = daemon.pid(booted)
        booted.succeed(f"sv -w 100 restart {daemon.service}", seconds=SLOW)
        daemon.answers(booted)
        assert daemon.once or daemon.pid(booted) != before

    def test_stop_leaves_nothing(self, booted: Machine, daemon: Daemon) -> None:
        booted.succeed(f"sv -w 100 stop {daemon.service}", seconds=SLOW)
        assert booted.succeed(_PROCESSES.format(daemon.service)) == ""
        booted.fail(daemon.ask)
        booted.succeed(f"sv start {daemon.service} || :", seconds=SLOW)
        daemon.answers(booted)

    def test_data_survive_a_reboot(self, booted: Machine) -> None:
        kept = [each for each in self.DAEMONS if each.write]
        for each in kept:
            booted.succeed(each.write, seconds=SLOW)
        booted.reboot()
        for each in self.DAEMONS:
            each.answers(booted)
        lost = [each.service for each in kept if booted.run(each.read, seconds=SLOW).status != 0]
        assert not lost, f"lost: {lost}"
        failed = [line.text for line in booted.console.lines[-60:] if "first state" in line.text]
        assert not [each for each in failed if "failed" in each], failed

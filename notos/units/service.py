"""The section [Service] (systemd.service(5)) and the keys for killing (systemd.kill(5))."""

import re
from collections.abc import Mapping

from notos.units import values
from notos.units.commands import SEARCHED, Command, Exists, commands
from notos.units.paths import absolute
from notos.units.plan import Plan
from notos.units.section import Section, choice

_COMMANDS = {
    **{"ExecCondition": "execcondition", "ExecStartPre": "pre", "ExecStart": "start"},
    **{"ExecStartPost": "post", "ExecReload": "reload", "ExecStop": "stop", "ExecStopPost": "stoppost"},
}
TYPES = ("simple", "exec", "notify", "notify-reload", "forking", "oneshot", "idle", "dbus")
_RESTARTS = ("no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog")
_KILL_MODES = choice("control-group", "mixed", "process", "none")
_BUS_NAME = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]*(?:\.[A-Za-z_-][A-Za-z0-9_-]*)+")
_SECOND = 1_000_000
# Values of systemd-system.conf(5) in Debian.
_TIMEOUT = 90 * _SECOND
_RESTART = 100_000
_LIMIT = (10 * _SECOND, 5)


class Service:
    """The settings of [Service] and [Unit] about starting and stopping, as lines of the plan."""

    def __init__(self, section: Section, unit: Section, exists: Exists | None) -> None:
        self._section = section
        self._unit = unit
        self.commands: Mapping[str, list[Command]] = self._commands(exists)
        self.bus_name = self._bus_name()
        self.kind = self._kind()

    def add(self, plan: Plan) -> None:
        """Add the lines to the plan."""
        self._check()
        plan.add("type", self.kind, *((self.bus_name,) if self.kind == "dbus" else ()))
        self._flags(plan)
        self._run(plan)
        self._times(plan)
        self._restarts(plan)
        self._killing(plan)

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs of all commands whose failure is not ignored."""
        found = (each for commands in self.commands.values() for each in commands)
        return tuple(dict.fromkeys(each.program for each in found if "-" not in each.flags))

    def _commands(self, exists: Exists | None) -> dict[str, list[Command]]:
        searched = tuple(
            folder
            for setting, text in self._section.expanded_words("ExecSearchPath", separators=": \t")
            if (folder := self._section.checked_path(setting, text))
        )
        folders = searched or SEARCHED
        return {line: commands(self._section, key, exists, folders) for key, line in _COMMANDS.items()}

    def _bus_name(self) -> str:
        found = ""
        for setting in self._section.all("BusName"):
            text = self._section.expanded(setting, setting.value)
            if text and _BUS_NAME.fullmatch(text):
                found = text
            elif text:
                self._section.report.ignored(setting, f"{text} is not a name on the bus")
        return found

    def _kind(self) -> str:
        chosen = self._section.last(choice(*TYPES), "Type")
        if chosen:
            return chosen
        if self.bus_name:
            return "dbus"
        return "simple" if self.commands["start"] else "oneshot"

    def _check(self) -> None:
        """Add errors for what systemd refuses (service_verify)."""
        report, started = self._section.report, self.commands["start"]
        remains = self._section.last(values.boolean, "RemainAfterExit")
        restart = self._section.setting("Restart")
        if report.failed:
            return  # a command with an error is missing here
        if not started and not self.commands["stop"]:
            report.unit_error("it has no ExecStart= and no ExecStop=")
        elif not started and self.kind != "oneshot":
            report.unit_error(f"Type={self.kind} needs ExecStart=")
        elif not started and not remains:
            report.unit_error("without ExecStart= it needs RemainAfterExit=yes")
        elif len(started) > 1 and self.kind != "oneshot":
            hint = 'an empty ExecStart= before it replaces the others: ExecStart: ["", "…"]'
            text = f"is the second command, which only Type=oneshot permits; the type is {self.kind}"
            report.error(started[1].setting, text, hint)
        if self.kind == "oneshot" and restart and restart.value in ("always", "on-success"):
            report.error(restart, f"{restart.value} is not permitted with Type=oneshot")
        if self.kind == "dbus" and not self.bus_name:
            report.unit_error("Type=dbus needs BusName=")
        if self.kind == "oneshot" and self._section.last(choice("main", "cgroup"), "ExitType") == "cgroup":
            report.unit_error("ExitType=cgroup is not permitted with Type=oneshot")

    def _flags(self, plan: Plan) -> None:
        section = self._section
        if section.last(values.boolean, "RemainAfterExit"):
            plan.add("remain", "yes")
        if section.last(choice("main", "cgroup"), "ExitType") == "cgroup":
            plan.add("exittype", "cgroup")
        self._pid_file(plan)
        if section.last(values.boolean, "GuessMainPID") is False:
            plan.add("guessmainpid", "no")
        if section.last(values.boolean, "NonBlocking"):
            plan.add("nonblocking", "yes")
        access = section.last(choice("none", "main", "exec", "all"), "NotifyAccess") or "none"
        watchdog = section.last(values.time, "WatchdogSec")
        if access == "none" and (self.kind in ("notify", "notify-reload") or watchdog):
            access = "main"
        if access != "none":
            plan.add("notifyaccess", access)
        if watchdog:
            plan.add("watchdog", watchdog)
        self._open_files(plan)

    def _pid_file(self, plan: Plan) -> None:
        """Add PIDFile=, relative to /run; with an invalid path systemd refuses the unit."""
        setting = self._section.setting("PIDFile")
        text = self._section.expanded(setting, setting.value) if setting else ""
        if not setting or not text:
            return
        try:
            path = absolute(text if text.startswith("/") else f"/run/{text}")
        except ValueError as error:
            self._section.report.error(setting, str(error))
            return
        plan.add("pidfile", path.removeprefix("/var") if path.startswith("/var/run/") else path)

    def _open_files(self, plan: Plan) -> None:
        section = self._section
        for setting in section.all("OpenFile"):
            text = section.expanded(setting, setting.value)
            if text is None:
                continue
            parts = (*text.split(":"), "", "")
            options = parts[2].split(",") if parts[2] else []
            known = ("read-only", "append", "truncate", "graceful")
            try:
                if len(parts) > 5 or any(each not in known for each in options):
                    raise ValueError(f"{text} is not PATH:NAME:OPTIONS")
                path = absolute(parts[0])
            except ValueError as error:
                section.report.ignored(setting, str(error))
                continue
            plan.add("openfile", path, parts[1] or path.rpartition("/")[2], parts[2])

    def _run(self, plan: Plan) -> None:
        # PermissionsStartOnly= is an old way to write + before all commands but ExecStart.
        start_only = self._section.last(values.boolean, "PermissionsStartOnly")
        for line, found in self.commands.items():
            for each in found:
                privileged = start_only and line != "start" and not {*"+!"} & {*each.flags}
                flags = each.flags + ("+" if privileged else "")
                plan.add(line, flags, each.program, *each.arguments)

    def _times(self, plan: Plan) -> None:
        section = self._section
        start: int | None = None if self.kind == "oneshot" else _TIMEOUT
        stop: int | None = _TIMEOUT
        for setting, time in section.values(_time_or_none, "TimeoutSec", "TimeoutStartSec", "TimeoutStopSec"):
            if setting.key != "TimeoutStopSec":
                start = time
            if setting.key != "TimeoutStartSec":
                stop = time
        plan.add("timeout", "start", _infinite(start))
        plan.add("timeout", "stop", _infinite(stop))
        abort = section.values(_time_or_none, "TimeoutAbortSec", resets=True)
        if abort:
            plan.add("timeout", "abort", _infinite(abort[-1][1]))
        modes = choice("terminate", "abort", "kill")
        for key, line in (("TimeoutStartFailureMode", "start"), ("TimeoutStopFailureMode", "stop")):
            mode = section.last(modes, key)
            if mode and mode != "terminate":
                plan.add("timeoutfailure", line, mode)
        longest = section.last(values.time, "RuntimeMaxSec")
        if longest:
            plan.add("runtimemax", longest)

    def _restarts(self, plan: Plan) -> None:
        section = self._section
        policy = section.last(choice(*_RESTARTS), "Restart")
        if policy and policy != "no":
            plan.add("restart", policy)
        delays = section.values(values.time, "RestartSec")
        delay: int | None = delays[-1][1] if delays else _RESTART
        steps = section.last(lambda text: values.integer(text, 0, 2**32 - 1), "RestartSteps")
        most = section.last(values.time, "RestartMaxDelaySec")
        if most is not None and (delay is None or most < delay):
            delay = most
        plan.add("restartsec", _infinite(delay))
        if steps and most:
            plan.add("restartsteps", steps, most)
        interval: int | None = _LIMIT[0]
        burst = _LIMIT[1]
        for part, keys in (
            (self._unit, ("StartLimitIntervalSec", "StartLimitBurst")),
            (section, ("StartLimitInterval", "StartLimitBurst")),
        ):
            intervals = part.values(values.time, keys[0])
            interval = intervals[-1][1] if intervals else interval
            bursts = part.values(lambda text: values.integer(text, 0, 2**32 - 1), keys[1])
            burst = bursts[-1][1] if bursts else burst
        plan.add("startlimit", _infinite(interval), burst)
        for key, line in (
            ("SuccessExitStatus", "success"),
            ("RestartPreventExitStatus", "restartprevent"),
            ("RestartForceExitStatus", "restartforce"),
        ):
            found = [
                values.status_or_signal(word)
                for setting in section.all(key)
                for word in section.words(setting)
                if section.report.checked(setting, values.status_or_signal, word)
            ]
            if found:
                plan.add(line, *dict.fromkeys(found))

    def _killing(self, plan: Plan) -> None:
        section = self._section
        mode = section.last(_KILL_MODES, "KillMode", resets=True)
        if mode and mode != "control-group":
            plan.add("killmode", mode)
        for key, line in (
            ("KillSignal", "killsignal"),
            ("RestartKillSignal", "restartkillsignal"),
            ("FinalKillSignal", "finalkillsignal"),
            ("WatchdogSignal", "watchdogsignal"),
            ("ReloadSignal", "reloadsignal"),
        ):
            number = section.last(values.signal, key)
            if number is not None:
                plan.add(line, number)
        if section.last(values.boolean, "SendSIGHUP"):
            plan.add("sendsighup", "yes")
        if section.last(values.boolean, "SendSIGKILL") is False:
            plan.add("sendsigkill", "no")


def _time_or_none(text: str) -> int | None:
    """Return microseconds; None for infinity and for 0, which switches a timeout off."""
    return values.time(text) or None


def _infinite(microseconds: int | None) -> int | str:
    return values.INFINITY if microseconds is None else microseconds

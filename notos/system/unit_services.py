"""Services by systemd units: the folders that the runit object has for them, made by notos.units.

services/NAME/run            executes run-unit, which follows the plan
services/NAME/unit           the plan (unit_plan.py)
services/NAME/seccomp        the filter of system calls, if the unit has one
services/NAME/check          waits until the unit is ready
services/NAME/finish         ends what a killed run-unit leaves
services/NAME/control/k      kills all processes of the service
services/NAME/stop-seconds   how long its stop may take
services/NAME/reads          patterns of files; a switch restarts the service if one of them changes
services/timers/…            files of systemd timers (unit_timers.py)
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from notos import errors, home
from notos.architecture import Architecture
from notos.config.shapes import either
from notos.errors import ClosureError, NotosError
from notos.features.model import Features, Keys, Service, Unit, UnitTimer
from notos.features.own_units import REPLACED
from notos.formats.tree import File, Tree
from notos.system import template, unit_plan, unit_timers
from notos.system.packaged_units import PackagedUnits
from notos.units.model import Context, Translation
from notos.units.timers import timer
from notos.units.translate import translate
from notos.units.unit_files import UnitFiles

_LONGEST = 300  # seconds to wait for the stop of a service
# UNIT.conf: drop-ins for units of packages that assume systemd as process 1; UNIT: units of systemd itself.
_DROP_INS = "runit/unit-drop-ins"
RELEASE = {"ID": "notos"}  # of /etc/os-release, for specifiers
# Folders in /etc that programs of many packages read, so that a file in them says nothing about one service.
_SHARED = """
" alternatives apparmor.d bash_completion.d ca-certificates cron.d cron.daily cron.hourly
cron.monthly cron.weekly dbus-1 default dpkg init.d insserv.conf.d kernel ld.so.conf.d logcheck
logrotate.d modprobe.d modules-load.d network pam.d polkit-1 ppp profile.d resolvconf rsyslog.d
security skel ssl sudoers.d sysctl.d systemd tmpfiles.d udev ufw xdg
"""
_NO_FILES = ("/dev/", "/proc/", "/sys/", "/tmp", "/run", "/nix/")
# Those of them that a daemon may read: its files there count one by one.
_READ_ONE_BY_ONE = ("default", "pam.d", "dbus-1")


@dataclass(frozen=True)
class Facts:
    """The machine's facts that a translation needs, and the programs of the runit object."""

    target: Architecture
    hostname: str
    source: Tree  # of runit/
    run_unit: str  # the path of run-unit
    exists: Callable[[str], bool] | None = None  # True for an absolute path that the machine has
    who_has: Callable[[str], list[str]] = lambda _: []  # packages of the archive with a file of this name


@dataclass
class Made:
    """Folders of services by name, and notes about keys without an effect."""

    folders: dict[str, Tree] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def build(features: Features, packaged: PackagedUnits, facts: Facts) -> Made:
    """Return the folders of all services that have a unit. Raises NotosError with all errors."""
    files = unit_files(features, packaged)
    maker = _Maker(files, packaged, facts, service_names(features, files))
    made, found = Made(), list[NotosError]()
    for service in features.services:
        try:
            if service.unit is not None:
                made.folders[service.name] = maker.service(service, service.unit)
            elif service.timers:
                made.folders[service.name] = maker.timers(service)
        except NotosError as error:
            found += error.parts or (error,)
    errors.raise_all(found)
    made.notes += dict.fromkeys(maker.notes)
    return made


@dataclass
class _Maker:
    """Makes the folders of services, and collects notes."""

    files: UnitFiles
    packaged: PackagedUnits
    facts: Facts
    names: Mapping[str, str]  # of the machine's services by unit
    notes: list[str] = field(default_factory=list)

    def service(self, service: Service, unit: Unit) -> Tree:
        """Return the files of a service's folder, without those that all services have. Raises NotosError."""
        self._check(unit, service.keys)
        made = self._translated(unit.name, service.name, overrides(unit), service.keys)
        tree = Tree()
        for path in ("run", "check", "finish", "control/k"):
            tree.text(path, self._script(path), executable=True)
        _add_plan(tree, "", made)
        package = self.packaged.owner(made.unit) if made.files and made.files[0] in self.packaged else ""
        conf_files = self.packaged.conf_files.get(package, ())
        tree.text("stop-seconds", f"{stop_seconds(made.plan)}\n")
        patterns = dict.fromkeys((*service.reads, *reads(made.plan, conf_files)))
        if patterns:
            tree.text("reads", "".join(f"{each}\n" for each in patterns))
        return tree

    def timers(self, service: Service) -> Tree:
        """Return the files of the service for timers that it needs for systemd timers. Raises NotosError."""
        tree = Tree()
        tree.text("units/times", self._script("times"))
        table, found = service.files.get("table", ""), list[NotosError]()
        for each in service.timers:
            try:
                table += self._timer(tree, each)
            except NotosError as error:
                found += error.parts or (error,)
        errors.raise_all(found)
        tree.text("table", table)
        return tree

    def _timer(self, tree: Tree, each: UnitTimer) -> str:
        """Add the files of a timer to `tree`; return its line in the table. Raises NotosError."""
        self._check(each.unit, each.keys)
        given = overrides(each.unit)
        own = {key: value for key, value in given.items() if key.startswith("Timer.")}
        found = timer(each.unit.name, self.files, self._context(each.name, own, each.keys))
        self.notes += found.notes
        folder = f"{unit_plan.TIMERS}/{each.name}.timer"
        others = {key: value for key, value in given.items() if key not in own}
        _add_plan(tree, f"{folder}/", self._translated(found.starts, f"{each.name}.timer", others, each.keys))
        tree.text(f"{folder}/times", unit_timers.times(found, each.keys))
        tree.text(f"scripts/{each.name}", self._script("timer"), executable=True)
        return unit_timers.line(each.name, found)

    def _translated(
        self, unit: str, service: str, given: Mapping[str, tuple[str, ...]], keys: Keys
    ) -> Translation:
        made = translate(unit, self.files, self._context(service, given, keys))
        self.notes += made.notes
        return made

    def _context(self, service: str, given: Mapping[str, tuple[str, ...]], keys: Keys) -> Context:
        return Context(
            service=service,
            target=self.facts.target,
            keys=keys,
            overrides=given,
            services=self.names,
            hostname=self.facts.hostname,
            release=RELEASE,
            exists=self.facts.exists,
        )

    def _check(self, unit: Unit, keys: Keys) -> None:
        """Raise ClosureError if only an init script has the unit's name, or only another package the unit."""
        try:
            self.files.load(unit.name)
            return
        except NotosError as error:
            problem = error
        if unit.file or self.packaged.has(unit.name):
            return  # its translation gives the reason
        if package := self.packaged.owner(unit.name):
            script = unit.name.rpartition(".")[0]
            raise ClosureError(
                f"{package} has no unit {unit.name}, only the init script /etc/init.d/{script}",
                hint="write a unit of yours (unit: ./NAME.service) or a run script",
                keys=keys,
            )
        try:
            found = self.facts.who_has(re.sub("@.*[.]", "@.", unit.name))
        except NotosError as error:
            hint = f"{problem.hint}; it was not searched for in the archive: {error.message}"
            raise ClosureError(problem.message, hint=hint.removeprefix("; "), keys=keys) from error
        if found:
            raise ClosureError(
                f"no package of the machine has the unit {unit.name}; it is in {either(found)}",
                hint=f"add {'.'.join(keys)}.packages: [{found[0]}]",
                keys=keys,
            )

    def _script(self, name: str) -> str:
        entry = self.facts.source.get(f"unit/{name}")
        assert isinstance(entry, File), "a file of Notos"
        text = entry.read().decode()
        values = {"runUnit": self.facts.run_unit}
        used = {name: value for name, value in values.items() if f"@{name}@" in text}
        return template.render(text, used, name=f"runit/unit/{name}")


def _add_plan(tree: Tree, folder: str, made: Translation) -> None:
    """Add a plan and its filter of system calls to `folder` of a tree."""
    plan = unit_plan.without_labels(made.plan)
    tree.add(f"{folder}unit", File(plan.encode("utf-8", "surrogateescape")))
    if made.seccomp:
        tree.add(f"{folder}seccomp", File(made.seccomp))


def unit_files(features: Features, packaged: PackagedUnits) -> UnitFiles:
    """Return the units of the packages, with the drop-ins and units of Notos, and of the user."""
    own = {}
    for unit, _ in features.units:
        for path in filter(None, (unit.file, *unit.beside)):
            own[posixpath.basename(path)] = (shown(path), Path(path).read_bytes())
    units, drop_ins = {}, {}
    for each in sorted(Path(home.own(_DROP_INS)).iterdir()):
        if each.suffix == ".conf":
            drop_ins[f"usr/lib/systemd/system/{each.stem}.d/zz-notos.conf"] = each.read_bytes()
        else:
            units[f"usr/lib/systemd/system/{each.name}"] = each.read_bytes()
    return UnitFiles({**units, **packaged.texts, **drop_ins}, packaged.links, own)


def shown(path: str) -> str:
    """Return the path of a file of this host relative to the current folder, if it is below it."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def service_names(features: Features, files: UnitFiles) -> dict[str, str]:
    """Return the machine's services by the names of units, among them aliases and those of REPLACED."""
    names = {}
    for service in features.services:
        names.update(dict.fromkeys(REPLACED.get(service.name, ()), service.name))
        names[f"{service.name}.service"] = service.name
    for service in features.services:
        if service.unit is not None:
            try:
                known = files.load(service.unit.name).names
            except NotosError:  # reported by its translation
                known = ()
            names.update(dict.fromkeys((service.unit.name, *known), service.name))
    return names


def overrides(unit: Unit) -> dict[str, tuple[str, ...]]:
    """Return the config's values for keys of a unit, as lines of a drop-in."""
    found = dict(unit.settings)
    if unit.environment:
        words = (_quoted(f"{name}={value}") for name, value in unit.environment.items())
        found["Environment"] = (*found.get("Environment", ()), *words)
    return found


def _quoted(text: str) -> str:
    """Return a word in quotes, as systemd.syntax(7) reads it; % begins a specifier there."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def stop_seconds(plan: str) -> int:
    """Return the seconds that a unit may need to stop: its commands, the signal and the final signal."""
    limit = 90_000_000
    for key, values in unit_plan.lines(plan):
        if key == "timeout" and values[:1] == ("stop",):
            limit = _LONGEST * 1_000_000 if values[1] == "infinity" else int(values[1])
    commands = [each for each in unit_plan.commands(plan) if each.key in ("ExecStop", "ExecStopPost")]
    return min(_LONGEST, (len(commands) + 2) * limit // 1_000_000 + 5)


def reads(plan: str, conf_files: tuple[str, ...]) -> Iterator[str]:
    """Yield patterns of the files that a service reads: those of its package in /etc, and those in its plan.

    The package's own folders in /etc count as a whole, because a config adds files to them.
    """
    shared = _SHARED.split()
    for path in conf_files:
        parts = path.split("/")[2:]
        if not path.startswith("/etc/") or (parts[0] in shared and parts[0] not in _READ_ONE_BY_ONE):
            continue
        yield f"{parts[0]}/*" if len(parts) > 1 and parts[0] not in shared else "/".join(parts)
    for key, values in unit_plan.lines(plan):
        if key == "envfile" and values:
            yield values[-1].removeprefix("/etc/")
    for command in unit_plan.commands(plan):
        if command.key in ("ExecStartPre", "ExecStart"):
            yield from _named_files((command.program, *command.words[1:]))


def _named_files(words: tuple[str, ...]) -> Iterator[str]:
    """Yield the files that the words of a command name and that a config may have."""
    for part in (part for word in words for part in re.split(r"[\s=,;:]+|^-[A-Za-z](?=/)", word)):
        if part.startswith("/") and "$" not in part and not part.startswith(_NO_FILES):
            yield part.removeprefix("/etc/").rstrip("/")

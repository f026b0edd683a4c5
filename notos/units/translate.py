"""A service unit and its sockets, as the plan that run-unit follows."""

from collections.abc import Sequence

from notos.errors import NotosError
from notos.units import conditions, keys, resources, sandbox, seccomp, sockets, unit_names
from notos.units.dependencies import Dependencies
from notos.units.execution import Execution
from notos.units.model import Context, Translation
from notos.units.plan import Plan
from notos.units.report import Report
from notos.units.section import Section
from notos.units.service import Service
from notos.units.specifiers import Specifiers
from notos.units.unit_files import UnitFile, UnitFiles
from notos.units.unit_text import Setting

_BUS = ("dbus.service", "dbus-broker.service")


def translate(name: str, files: UnitFiles, context: Context) -> Translation:
    """Return the plan of the unit `name`: a service, or a socket with the service that it starts.

    Raises NotosError with one part for each setting that is invalid or not supported, with its file and line.
    """
    unit, listened = _loaded(name, files, context)
    report = Report(unit.name, context.keys)
    for note in unit.notes:
        report.note(f"{note}")
    sections = read_sections(unit, context, report, ("Unit", "Service", "Install"))
    plan = Plan()
    plan.add("name", unit.name)
    service = Service(sections["Service"], sections["Unit"], context.exists)
    execution = Execution(sections["Service"], unit.name)
    listeners = [_socket(each, files, context, report) for each in listened]
    facts = conditions.Facts(context.target.systemd, context.hostname, context.release)
    if not conditions.add(plan, sections["Unit"], facts):
        report.note(f"{unit.name}: its conditions never hold in this machine, so it does not start")
    Dependencies(unit, files, sections["Unit"], context).add(plan)
    for each in listeners:
        each.add(plan, context.exists)
    service.add(plan)
    execution.add(plan)
    resources.add(plan, sections["Service"])
    sandbox.add(plan, sections["Service"], dynamic=execution.dynamic)
    program = seccomp.program(sections["Service"], context.target, dynamic=execution.dynamic)
    if program:
        plan.add("seccomp", "yes")
    bus = any(files.canonical(each) in _BUS for each in context.services)
    _check(unit, service, [each.accepts for each in listeners], bus, report)
    report.raise_errors()
    owners = [each.accounts for each in listeners]
    return Translation(
        unit=unit.name,
        plan=plan.text(),
        seccomp=program,
        notes=report.notes(),
        files=tuple(_place(each, files) for each in unit.files),
        sockets=listened,
        users=_names(() if execution.dynamic else (execution.user,), *(users for users, _ in owners)),
        groups=_names(
            () if execution.dynamic else (execution.group, *execution.supplementary),
            *(groups for _, groups in owners),
        ),
        programs=service.programs,
        readiness=service.kind not in ("simple", "idle"),
    )


def read_sections(
    unit: UnitFile, context: Context, report: Report, names: tuple[str, ...]
) -> dict[str, Section]:
    """Return the sections `names` of a unit with the settings of the config, under their newer names.

    The report gets unknown sections and keys, unsupported keys and those that are not enforced.
    """
    fragment = unit.files[0]
    specifiers = Specifiers(unit.name, fragment, context.hostname, context.release, context.target.systemd)
    overridden = _overrides(unit, context)
    found = {}
    for name in names:
        settings = [
            Setting(keys.ALIASES[name].get(each.key, each.key), each.value, each.file, each.line, each.own)
            for each in (*unit.sections.get(name, ()), *overridden.get(name, ()))
        ]
        section = found[name] = Section(settings, specifiers, report)
        _treat(section, name)
    for name, settings_ in unit.sections.items():
        if name not in names and not name.startswith("X-"):
            report.note(f"{settings_[0].place}: the section [{name}] is unknown; it is ignored")
    return found


def _overrides(unit: UnitFile, context: Context) -> dict[str, list[Setting]]:
    """Return the settings of the config by section. A list is one assignment for each item."""
    found: dict[str, list[Setting]] = {}
    own = {"service": "Service", "socket": "Socket", "timer": "Timer"}
    first = own.get(unit_names.kind(unit.name), "Service")
    where = ".".join((*context.keys, "set")) or "the config"
    for key, value in context.overrides.items():
        section, dot, bare = key.rpartition(".")
        if first not in ("Service", section):
            continue  # keys without a section, and those of [Unit], belong to the service
        if not dot:
            section = keys.section_of(bare, ("Service", "Unit"))
        items: Sequence[str] = [value] if isinstance(value, str) else (value or [""])
        for item in items:
            found.setdefault(section, []).append(Setting(bare, item, where, 0, own=True))
    return found


def _treat(section: Section, name: str) -> None:
    """Report the keys of a section that are unknown, unsupported or not enforced."""
    table, report = keys.TABLE[name], section.report
    last = {each.key: each for each in section.settings}
    for key, setting in last.items():
        treatment = table.get(key)
        value = setting.value.lower()
        if key.startswith("X-"):
            continue
        if treatment is None:
            if setting.own:
                report.error(setting, f"is not a key of [{name}]")
            else:
                report.note(f"{setting.place}: {key}= is an unknown key of [{name}]; it is ignored")
        elif value in ("", "no", "false", "0", "off", "n", "f") or value in keys.HARMLESS.get(key, ()):
            continue
        elif treatment == "unsupported":
            report.error(setting, "is not supported", f"remove it with `set: {{{key}: []}}`")
        elif treatment == "not enforced":
            report.unenforced(key)


def _loaded(name: str, files: UnitFiles, context: Context) -> tuple[UnitFile, tuple[str, ...]]:
    """Return the service of the unit `name`, and the names of the sockets whose listeners it takes."""
    try:
        if unit_names.kind(name) == "socket":
            socket = files.load(name)
            starts = sockets.service_of(socket)
            if unit_names.is_template(starts):
                starts = unit_names.with_instance(starts, "0")
            unit = files.load(starts)
            return unit, tuple(dict.fromkeys((socket.name, *sockets.sockets_of(unit, files))))
        unit = files.load(name)
        if unit_names.kind(name) != "service":
            raise NotosError(f"{name} is neither a service nor a socket")
        return unit, sockets.sockets_of(unit, files)
    except NotosError as error:
        raise NotosError(error.message, hint=error.hint, keys=context.keys) from None


def _socket(name: str, files: UnitFiles, context: Context, report: Report) -> sockets.Socket:
    unit = files.load(name)
    for note in unit.notes:
        report.note(note)
    found = read_sections(unit, context, report, ("Socket", "Unit", "Install"))
    return sockets.Socket(found["Socket"], unit.name)


def _check(unit: UnitFile, service: Service, accepts: list[bool], bus: bool, report: Report) -> None:
    """Add errors about the unit as a whole.

    `accepts` has Accept= of each socket, and `bus` is True if the machine runs the bus.
    """
    if service.kind == "dbus" and not bus and unit.name not in _BUS:
        report.unit_error("Type=dbus needs the bus", "add services: {dbus: {}}")
    if any(accepts) and len(accepts) > 1:
        report.unit_error("a socket with Accept=yes besides other sockets is not supported")


def _place(file: str, files: UnitFiles) -> str:
    """Return the path of a file as in `files`; a file of the user keeps its name."""
    inside = file.removeprefix("/")
    return inside if inside in files.texts else file


def _names(*groups: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names without numbers, empty ones and duplicates."""
    found = (name for group in groups for name in group if name and not name.isdigit())
    return tuple(dict.fromkeys(found))

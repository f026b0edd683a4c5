"""Dependencies of a service on others of the machine, and the mounts that it needs (systemd.unit(5))."""

from collections.abc import Iterator

from notos.errors import NotosError
from notos.units import unit_names
from notos.units.model import Context
from notos.units.plan import Plan
from notos.units.report import Report
from notos.units.section import Section
from notos.units.sockets import service_of
from notos.units.specifiers import SpecifierError
from notos.units.unit_files import UnitFile, UnitFiles
from notos.units.unit_text import Setting

_LINES = {
    "requires": ("Requires", "Requisite"),
    "wants": ("Wants", "Upholds"),
    "bindsto": ("BindsTo",),
    "partof": ("PartOf",),
    "conflicts": ("Conflicts",),
    "reloadfrom": ("ReloadPropagatedFrom",),
}
_NEEDED = ("Requires", "Requisite", "BindsTo")


class Dependencies:
    """The relations of the unit `name` with the services of the machine."""

    def __init__(self, unit: UnitFile, files: UnitFiles, section: Section, context: Context) -> None:
        self._unit = unit
        self._files = files
        self._section = section
        self._context = context
        self._services = {
            **{files.canonical(name): service for name, service in context.services.items()},
            **context.services,
        }

    @property
    def report(self) -> Report:
        """The report of the translation."""
        return self._section.report

    def add(self, plan: Plan) -> None:
        """Add the lines of dependencies and mounts to the plan."""
        for line, keys in _LINES.items():
            self._line(plan, line, self._services_of(*keys))
        self._line(plan, "after", [*self._services_of("After"), *self._preceding()])
        for each, name in self.names("JoinsNamespaceOf"):
            if self._service(name):
                self.report.error(each, f"shares namespaces with {name}, which is not supported")
        self._check_needed()
        self._mounts(plan)

    def names(self, *keys: str) -> Iterator[tuple[Setting, str]]:
        """Yield the unit names in all settings of `keys`; an empty value does not reset them."""
        for each in self._section.every(*keys):
            for word in self._section.words(each, keep_backslashes=True):
                name = self._section.expanded(each, word)
                if name is None:
                    continue
                if unit_names.is_template(name) and unit_names.instance(self._unit.name):
                    continue  # systemd drops a dependency on the own template
                if unit_names.is_valid(name):
                    yield each, name
                else:
                    self.report.ignored(each, f"{name} is not the name of a unit")

    def _services_of(self, *keys: str) -> list[str]:
        """Return runit's names of the machine's services that the settings of `keys` name."""
        found = [self._service(name) for _, name in self.names(*keys)]
        return [each for each in found if each and each != self._context.service]

    def _service(self, name: str) -> str:
        """Return runit's name of the service of a unit, empty if the machine does not run it.

        A socket is the service that it starts.
        """
        found = self._services.get(name) or self._services.get(self._files.canonical(name))
        if not found and unit_names.kind(name) in ("socket", "timer", "path"):
            found = self._services.get(self._files.canonical(unit_names.with_kind(name, "service")))
        return found or ""

    def _preceding(self) -> Iterator[str]:
        """Yield the machine's services whose units say Before= for this unit."""
        names = {*self._unit.names}
        for unit, service in self._context.services.items():
            if service == self._context.service or unit_names.kind(unit) != "service":
                continue
            try:
                other = self._files.load(unit)
            except NotosError:
                continue  # the error of that service
            for each in other.sections.get("Unit", ()):
                if each.key == "Before" and names & {*_expanded(each.value, other.name)}:
                    yield service

    def _line(self, plan: Plan, key: str, services: list[str]) -> None:
        if services:
            plan.add(key, *dict.fromkeys(services))

    def _check_needed(self) -> None:
        """Add an error for each required service that the machine does not run, a note for a wanted one."""
        for each, name in self.names(*_NEEDED, "Wants", "Upholds"):
            started = self._started(name)
            if not self._is_missing(started):
                continue
            short = unit_names.stem(self._files.canonical(started))
            if each.key in _NEEDED:
                hint = f"add services: {{{short}: {{}}}}"
                self.report.error(each, f"needs {name}, which the machine does not run", hint)
            else:
                self.report.note(f"{self._unit.name} wants {name}, which the machine does not run")

    def _started(self, name: str) -> str:
        """Return the service that a socket starts; other units are themselves."""
        if unit_names.kind(name) != "socket" or not self._files.exists(name):
            return name
        try:
            return service_of(self._files.load(name))
        except NotosError:
            return name

    def _is_missing(self, name: str) -> bool:
        return (
            unit_names.kind(name) == "service"
            and not name.startswith(("systemd-", "modprobe@"))
            and not unit_names.is_template(name)
            and name not in self._unit.names
            and self._files.exists(name)
            and not self._service(name)
        )

    def _mounts(self, plan: Plan) -> None:
        """Add the mounts of required and wanted .mount units that the packages have."""
        for each, name in self.names(*_NEEDED, "Wants"):
            if unit_names.kind(name) != "mount" or not self._files.exists(name):
                continue
            try:
                mount = self._files.load(name).sections.get("Mount", ())
            except NotosError as error:
                self.report.add(error)
                continue
            values = {setting.key: setting.value for setting in mount}
            flags = "-" if each.key == "Wants" else ""
            fields = (values.get(key, "") for key in ("What", "Where", "Type", "Options"))
            plan.add("mount", flags, *fields)


def _expanded(value: str, name: str) -> Iterator[str]:
    """Yield the names in a Before= of the unit `name`; specifiers of names are those of its own name."""
    from notos.units.specifiers import Specifiers

    specifiers = Specifiers(name, "", "", {}, "")
    for word in value.split():
        try:
            yield specifiers.expand(word)
        except SpecifierError:
            continue

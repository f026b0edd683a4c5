"""The services in the config."""

from collections.abc import Iterator

from notos.config import model as config
from notos.config.model import Machine, Package
from notos.config.package_lists import package_lists
from notos.config.reader import Checks
from notos.config.yaml_source import MappingNode, Node, Problem, key_place, place_of
from notos.features.model import Feature, Service
from notos.features.named import settled
from notos.features.own_units import is_unit, packages_of, unit_of

KEYS = ("services",)


def feature(machine: Machine) -> Feature:
    """Return the services and their packages."""
    named, optional = packages_of(dict(machine.services), machine)
    return Feature(
        packages=named,
        optional_packages=optional,
        services=tuple(_service(name, service) for name, service in machine.services.items()),
    )


def _service(name: str, service: config.Service) -> Service:
    unit = unit_of(service, f"{name}.service") if is_unit(service) else None
    return Service(
        name=name,
        folder=service.source or "",
        run=service.run or "",
        unit=unit,
        log=is_unit(service) if service.log is None else service.log,
        reads=service.reads,
        keys=("services", name),
    )


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    yield from _packages(machine, node)
    yield from _logs(machine, node)
    yield from _units(machine, node)


def _packages(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield packages that two keys list with different settings."""
    taken: dict[tuple[str, str], tuple[str, Package]] = {}
    for keys, packages, part in package_lists(machine):
        if part == "script":
            continue
        where = ".".join(keys)
        for package in packages:
            first, other = taken.setdefault((part, package.name), (where, settled(package)))
            if settled(package) != other:
                message = f"{where} has {package.name} with other settings than {first}"
                yield Problem(message, place_of(node, *keys))


def _logs(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield services called NAME.log beside a service NAME: runsv keeps the state of NAME's log there."""
    for name in machine.services:
        owner = name.removesuffix(".log")
        if owner != name and owner in machine.services:
            place = key_place(node, "services", name)
            first = key_place(node, "services", owner).seen_from(place)
            message = f"the service {name} has the name of the log of {owner}, {first}; rename it"
            yield Problem(message, place)


def _units(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield two services with the same unit."""
    taken: dict[str, str] = {}
    for name, service in machine.services.items():
        if not is_unit(service):
            continue
        unit = unit_of(service, f"{name}.service")
        first = taken.setdefault(unit.file or unit.name, name)
        if first != name:
            place = place_of(node, "services", name, "unit")
            seen = key_place(node, "services", first).seen_from(place)
            yield Problem(
                f"the services {first} and {name} have the same unit, {unit.name}; {first} is {seen}", place
            )


def _service_problems(service: config.Service, node: Node) -> Iterator[Problem]:
    """Yield keys of a unit in a service that has none."""
    if is_unit(service) or not isinstance(node, MappingNode):
        return
    other = "run" if service.run is not None else "source"
    advice = {
        "unit": "leave out one of them",
        "set": "its keys are for a systemd unit",
        "environment": f"write export NAME=value in {'run' if other == 'run' else 'its run'}",
    }
    for key, hint in advice.items():
        if key in node.items:
            yield Problem(f"a service with {other} takes no {key}; {hint}", key_place(node, key))


CHECKS: Checks = {Machine: _problems, config.Service: _service_problems}

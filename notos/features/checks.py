"""Rules for the config: those of each feature, and the names that features reserve."""

from collections.abc import Iterator
from dataclasses import replace

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.config.yaml_source import Consequence, Node, Problem, key_place
from notos.errors import NotosError
from notos.features import extensions, own_units, registry, services
from notos.features.model import Feature, Features


def checks() -> Iterator[Checks]:
    """Yield the checks of all features, then the check for reserved names."""
    for module in registry.MODULES:
        yield module.CHECKS
    yield {Machine: _extensions}
    yield {Machine: _reserved}


def features(machine: Machine) -> Features | None:
    """Return what all features add; None where that is unknown: `_extensions` yields why."""
    try:
        return registry.features(machine)
    except (NotosError, ValueError):
        return None


def _extensions(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield what is wrong in the code of each extension, and what it adds in the place of something else."""
    found = []
    named = extensions.of(machine)
    if not named:
        return
    for each in named:
        try:
            found.append((each, each.feature(machine)))
        except NotosError as error:
            yield Consequence(f"{'.'.join(each.keys)}: {error}", key_place(node, *each.keys))
    # Services of ours are reserved. Files and packages of the config replace those of features.
    others = [("Notos", replace(each.feature(machine), services=())) for each in registry.OWN]
    others.append(("the config", Feature(services=services.feature(machine).services)))
    for keys, message in extensions.clashes(others, found):
        yield Problem(f"{'.'.join(keys)}: {message}", key_place(node, *keys))


def _replaced_by(unit: str, found: Features) -> str:
    """Return the service of Notos that does the work of a unit in this machine; "" if none does."""
    running = {service.name for service in found.services if not service.keys}
    names = (name for name, units in own_units.REPLACED.items() if unit in units and name in running)
    return next((name for name in names if name in found.reserved_services), "")


def _reserved(machine: Machine, node: Node) -> Iterator[Problem]:
    found = features(machine)
    if found is None:
        return
    for service in found.services:
        if not service.keys:
            continue
        message = ""
        if off := found.reserved_services.get(service.name):
            message = f"the service {service.name} is built in; rename yours, or turn it off with {off}"
        elif service.unit is not None and (own := _replaced_by(service.unit.name, found)):
            off = found.reserved_services[own]
            what = f"{service.unit.name} does the same as the built-in service {own}"
            message = f"{what}; leave it out, or turn that off with {off}"
        if message:
            yield Problem(message, key_place(node, *service.keys))
    for file in found.etc:
        top = file.path.partition("/")[0]
        if file.keys and (hint := found.reserved_etc.get(top)):
            yield Problem(f"/etc/{top} is made by Notos; {hint}", key_place(node, *file.keys))
    for placed in found.placed:
        first, top = placed.path.split("/")[1:3] if placed.path.count("/") > 1 else ("", "")
        if first == "etc" and placed.keys and (hint := found.reserved_etc.get(top)):
            yield Problem(f"/etc/{top} is made by Notos; {hint}", key_place(node, *placed.keys))

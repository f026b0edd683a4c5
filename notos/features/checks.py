"""Rules for the config: those of each feature, and the names that features reserve."""

from collections.abc import Iterator

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place
from notos.features import registry


def checks() -> Iterator[Checks]:
    """Yield the checks of all features, then the check for reserved names."""
    for module in registry.MODULES:
        yield module.CHECKS
    yield {Machine: _reserved}


def _reserved(machine: Machine, node: Node) -> Iterator[Problem]:
    features = registry.features(machine)
    for service in features.services:
        if service.keys and (switch := features.reserved_services.get(service.name)):
            message = f"the service {service.name} is built in; rename yours, or turn it off with {switch}"
            yield Problem(message, key_place(node, *service.keys))
    for file in features.etc:
        top = file.path.partition("/")[0]
        if file.keys and (hint := features.reserved_etc.get(top)):
            yield Problem(f"/etc/{top} is made by Notos; {hint}", key_place(node, *file.keys))

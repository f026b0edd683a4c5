"""Kernel modules in the running system: loaded at boot, their parameters, and a report of missing ones."""

from collections.abc import Iterator, Mapping

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, named_place
from notos.features.model import EtcFile, Feature, Script, Text

KEYS = ("modules_load", "modprobe")

_CONTAINERS = {"containers", "all"}  # the purposes with the modules of containers


def feature(machine: Machine) -> Feature:
    """Return the fragment that loads modules, the kernel's helper for modules, and modprobe's settings."""
    options = module_options(machine)
    lines = [f"blacklist {name}" for name in machine.modprobe.blacklist]
    for module, values in options.items():
        lines.append(" ".join(["options", module, *(option(*pair) for pair in values.items())]))
    text = "".join(f"{line}\n" for line in lines)
    return Feature(
        scripts=(
            Script(path="boot/05-modules", values={"modules": machine.modules_load}),
            Script(path="modprobe"),
            *((Script(path="boot/07-containers"),) if _CONTAINERS & {*machine.kernel.for_} else ()),
        ),
        etc=(EtcFile(path="modprobe.d/notos.conf", content=Text(text)),) if text else (),
        modules={
            **{name: ("modprobe", name) for name in options},
            **{name: ("modules_load", name) for name in machine.modules_load},
        },
        module_options=options,
    )


def module_options(machine: Machine) -> Mapping[str, Mapping[str, str]]:
    """Return the parameters of modules as text: modules that have some, and values by parameter."""
    return {
        module: {name: _text(value) for name, value in values.items()}
        for module, values in machine.modprobe.options.items()
        if values
    }


def option(name: str, value: str) -> str:
    """Return a parameter in the form of the kernel's command line (kernel/params.c, parse_args)."""
    return f'{name}="{value}"' if " " in value or not value else f"{name}={value}"


def _text(value: object) -> str:
    return ("Y" if value else "N") if isinstance(value, bool) else str(value)


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for module, values in machine.modprobe.options.items():
        for name, value in values.items():
            if '"' in str(value):
                message = f"modprobe.{module}.{name}: the kernel has no way to pass a double quote"
                yield Problem(message, key_place(node, "modprobe", module, name))
    for blocked in machine.modprobe.blacklist:
        if blocked in machine.modules_load:
            place = named_place(node, "modprobe", "blacklist", blocked) or node.place
            yield Problem(f"modprobe.blacklist has {blocked}, which modules_load loads", place)


CHECKS: Checks = {Machine: _problems}

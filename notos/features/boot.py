"""The scripts in the config's `boot`, and how the boot runs each."""

import re
from collections.abc import Iterator

from notos.config.model import BootScript, Machine, Package
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, place_of
from notos.features.model import Feature, Script
from notos.features.named import settled

KEYS = ("boot",)

_FOLDERS = {
    "post-boot": "post-boot",
    "before-network": "boot/15",
    "after-network": "boot/30",
    "with-services": "with-services",
}


def feature(machine: Machine) -> Feature:
    """Return the scripts, their fragments in order, and their packages."""
    scripts: list[Script] = []
    pre_mount = []
    for number, (name, each) in enumerate(_ordered(machine)):
        keys = ("boot", name)
        order = f"{number:03}-{name}"
        if each.when == "pre-mount":
            pre_mount.append(
                Script(path=f"pre-mount/{order}", source="pre-mount", values=_values(name, each), keys=keys)
            )
            pre_mount.append(Script(path=f"scripts/{name}", text=script_text(each.run), keys=keys))
            continue
        scripts.append(Script(path=f"scripts/{name}", text=script_text(each.run), keys=keys))
        folder = _FOLDERS[each.when]
        path = f"{folder}-{order}" if folder.startswith("boot/") else f"{folder}/{order}"
        scripts.append(Script(path=path, source="own-script", values=_values(name, each)))
    return Feature(
        packages=_packages(machine, pre_mount=False),
        initrd_packages=_packages(machine, pre_mount=True),
        pre_mount=tuple(pre_mount),
        scripts=tuple(scripts),
    )


def script_text(run: str | None) -> str:
    """Return the script of a config's `run`, with a first line and a newline at its end.

    A config with mistakes may lack it.
    """
    run = run or ""
    text = run if run.startswith("#!") else f"#!/bin/sh\n{run}"
    return text if text.endswith("\n") else f"{text}\n"


def _values(name: str, script: BootScript) -> dict[str, str | int]:
    return {"name": name, "required": int(script.required), "timeout": script.timeout or 0}


def _packages(machine: Machine, *, pre_mount: bool) -> tuple[Package, ...]:
    """Return the scripts' packages. Those of the initrd have the files that their programs need."""
    return tuple(
        package if pre_mount else settled(package)
        for each in machine.boot.values()
        if (each.when == "pre-mount") == pre_mount
        for package in each.packages
    )


def _ordered(machine: Machine) -> list[tuple[str, BootScript]]:
    """Return the scripts in order: by the numbers at the start of names, then in the order of the config."""

    def number(name: str) -> float:
        found = re.match("[0-9]+", name)
        return int(found[0]) if found else float("inf")

    return sorted(machine.boot.items(), key=lambda item: number(item[0]))


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for name, each in machine.boot.items():
        if each.required and each.when == "with-services":
            message = f"boot.{name}.required needs a script for which the boot waits, not when: with-services"
            yield Problem(message, key_place(node, "boot", name, "required"))
        first = (each.run or "").partition("\n")[0]
        if each.when == "pre-mount" and first.startswith("#!") and first != "#!/bin/sh":
            message = (
                f"boot.{name} runs in the initrd, which has only busybox's shell; begin it with #!/bin/sh"
            )
            yield Problem(message, place_of(node, "boot", name, "run"))


CHECKS: Checks = {Machine: _problems}

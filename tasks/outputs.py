"""Outputs: one task for each that the project's extensions add to what is made of a built machine."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notos.errors import ConfigError
from notos.features import extension_code, extensions
from tasks import project, tools, usage
from tasks.config import FEATURES, MACHINE, build, manifest
from tasks.graph import Task, action, broken
from tasks.image import INITRD, SQUASHFS
from tasks.kernel import VMLINUX, VMLINUZ

if TYPE_CHECKING:
    from notos.outputs.model import Need
    from notos.outputs.registry import Added

FILES: "dict[Need, str]" = {
    "vmlinuz": VMLINUZ,
    "vmlinux": VMLINUX,
    "initrd": INITRD,
    "root.squashfs": SQUASHFS,
}

Creator = Callable[[], Task]


def creators(others: Iterable[Callable[..., Any]]) -> list[Creator]:
    """Return a creator of a task for each output. Raises InvalidDodoFile for a name that is taken.

    `others` are the creators of all other tasks.
    """
    taken = {word for each in others for word in _names(each)}
    taken |= {*usage.RESERVED_WORDS}
    found = _outputs()
    for name, added in found.items():
        if name in taken:
            file = extension_code.shown(added.by.code.file)
            message = f"{file} gives the output {name}, which is the name of another task or command"
            raise broken(ConfigError(message, hint="name it otherwise", keys=added.by.keys))
    return [_creator(name, added) for name, added in found.items()]


def _names(creator: Callable[..., Any]) -> tuple[str, str]:
    name = creator.__name__.removeprefix("task_")
    return name, name.replace("_", "-")


def _creator(name: str, added: "Added") -> Creator:
    def create() -> Task:
        return _task(added)

    create.__name__ = f"task_{name}"
    return create


def _task(added: "Added") -> Task:
    output = added.output
    needed = [FILES[each] for each in output.needs if each in FILES]
    if len(needed) < len(output.needs):  # the others follow from the toplevel's path
        needed.append(manifest("toplevel"))
    return {
        "doc": output.doc,
        "actions": [(action(make), [output.name])],
        "file_dep": [*needed, *map(tools.target, output.tools), *map(str, added.by.code.all_files)],
        "task_dep": ["lock"],  # first, as for runvm
        "targets": [build("outputs", output.name, each) for each in output.files],
        "code": added.by.code.files,
        "clean": True,
    }


def make(name: str) -> None:
    """Make the folder of an output, which replaces that of the last run as a whole. Raises NotosError."""
    from notos import atomic
    from notos.outputs import registry
    from notos.outputs.model import Inputs

    added = _outputs()[name]
    values: dict[Need, Any] = {
        need: Path(FILES[need]).absolute() for need in added.output.needs if need in FILES
    }
    if "toplevel" in added.output.needs:
        values["toplevel"] = project.get("toplevel").path
    if "command_line" in added.output.needs:
        values["command_line"] = " ".join(_command_line(project.get("toplevel").path))
    trees = {each: tools.tree(each) for each in added.output.tools}
    with atomic.folder(Path(build("outputs", name)), replace=True) as new:
        registry.write(added, Inputs(added.output, MACHINE.name, values, trees), new)
        for path in new.rglob("*"):  # whatever the umask
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _command_line(toplevel: str) -> tuple[str, ...]:
    from notos.outputs.qemu.command_line import command_line

    return command_line(MACHINE, FEATURES, toplevel).always


def _outputs() -> "dict[str, Added]":
    if not extensions.of(MACHINE):
        return {}
    from notos.outputs import registry

    return dict(registry.outputs(MACHINE))

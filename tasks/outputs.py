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
NAMES: "tuple[Need, ...]" = ("toplevel", "command_line")  # these follow from the toplevel's path

Creator = Callable[[], Task]


def creators(others: Iterable[Callable[..., Any]]) -> list[Creator]:
    """Return a creator of a task for each output. Raises InvalidDodoFile for a name that is taken.

    `others` are the creators of all other tasks.
    """
    taken = {word for each in others for word in _names(each)}
    taken |= {*usage.RESERVED_WORDS}
    for name, added in _outputs().items():
        if name in taken:
            file = extension_code.shown(added.by.code.file)
            message = f"{file} gives the output {name}, which is the name of another task or command"
            raise broken(ConfigError(message, hint="name it otherwise", keys=added.by.keys))
    return [_creator(name) for name in _outputs()]


def _names(creator: Callable[..., Any]) -> tuple[str, str]:
    name = creator.__name__.removeprefix("task_")
    return name, name.replace("_", "-")


def _creator(name: str) -> Creator:
    def create() -> Task:
        return _task(_outputs()[name])

    create.__name__ = f"task_{name}"
    return create


def _task(added: "Added") -> Task:
    output = added.output
    needed = [FILES[each] for each in output.needs if each in FILES]
    if any(each in NAMES for each in output.needs):
        needed.append(manifest("toplevel"))
    return {
        "doc": output.doc,
        "actions": [(action(make), [output.name])],
        "file_dep": [*needed, *map(tools.target, output.tools), *map(str, added.by.code.all_files)],
        "task_dep": ["lock"],  # first, as for runvm
        "targets": [_target(output.name, each) for each in output.files],
        "code": added.by.code.imported,
        "clean": True,
    }


def make(name: str) -> None:
    """Make the files of an output: in a folder beside, then renamed one by one. Raises NotosError."""
    from notos import atomic
    from notos.outputs import registry
    from notos.outputs.model import Inputs

    added = _outputs()[name]
    folder = Path(build("outputs", name))
    beside = folder.with_name(f".{name}.new")
    if beside.exists():
        atomic.remove_folder(beside)
    beside.mkdir(parents=True)
    values: dict[Need, Any] = {
        need: Path(FILES[need]).absolute() for need in added.output.needs if need in FILES
    }
    if "toplevel" in added.output.needs:
        values["toplevel"] = project.get("toplevel").path
    if "command_line" in added.output.needs:
        values["command_line"] = " ".join(_command_line(project.get("toplevel").path))
    trees = {each: tools.tree(each) for each in added.output.tools}
    registry.write(added, Inputs(added.output, MACHINE.name, values, trees), beside)
    for each in added.output.files:
        new, target = beside / each, folder / each
        new.chmod(0o755 if new.stat().st_mode & 0o100 else 0o644)
        target.parent.mkdir(parents=True, exist_ok=True)
        new.replace(target)
    atomic.remove_folder(beside)


def _target(name: str, file: str) -> str:
    return build("outputs", name, file)


def _command_line(toplevel: str) -> tuple[str, ...]:
    from notos.outputs.qemu.command_line import command_line

    return command_line(MACHINE, FEATURES, toplevel).always


def _outputs() -> "dict[str, Added]":
    if not extensions.of(MACHINE):
        return {}
    from notos.outputs import registry

    return dict(registry.outputs(MACHINE))

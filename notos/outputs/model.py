"""Frozen values of outputs: files made of a built machine, by a task of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from notos.errors import ConfigError

if TYPE_CHECKING:
    from notos.toolchain.tools_tree import ToolsTree

Need = Literal["vmlinuz", "vmlinux", "initrd", "root.squashfs", "toplevel", "command_line"]


@dataclass(frozen=True, kw_only=True)
class Output:
    """Files that a task makes of a built machine.

    name       the task's name on the command line; the files are in build/MACHINE/outputs/NAME/
    doc        one line for `./doit list`
    files      paths of all files that it makes, below that folder
    needs      what it reads of the build
    tools      names of trees in Feature.tools whose programs it runs
    write      write(inputs, folder, **arguments) makes the files in an empty folder. A function of a module.
               With the same inputs and arguments it must write the same bytes. It may raise NotosError.
    arguments  plain values; the task runs again where they change
    """

    name: str
    doc: str
    files: tuple[str, ...]
    needs: tuple[Need, ...]
    tools: tuple[str, ...] = ()
    write: Callable[..., None]
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Inputs:
    """The inputs of an output's function: those that its `needs` and `tools` name, and no others.

    An attribute or a tool that the output does not name raises ConfigError.
    """

    def __init__(
        self, output: Output, machine: str, values: Mapping[Need, Any], tools: "Mapping[str, ToolsTree]"
    ) -> None:
        self._output = output
        self._values = values
        self._tools = tools
        self.machine = machine  # the machine's name

    @property
    def vmlinuz(self) -> Path:
        """The kernel as boot loaders take it."""
        return self._path("vmlinuz")

    @property
    def vmlinux(self) -> Path:
        """The kernel as an ELF file."""
        return self._path("vmlinux")

    @property
    def initrd(self) -> Path:
        """The initial RAM disk."""
        return self._path("initrd")

    @property
    def squashfs(self) -> Path:
        """The read-only root; stage-1 mounts /dev/vda, or the device of root=."""
        return self._path("root.squashfs")

    @property
    def toplevel(self) -> str:
        """The store path of the system."""
        return str(self._get("toplevel"))

    @property
    def command_line(self) -> str:
        """The kernel's command line, which names the toplevel."""
        return str(self._get("command_line"))

    def tool(self, tree: str, program: str) -> list[str]:
        """Return the words that run a program of the tools tree `tree`. Raises ToolError."""
        if tree not in self._tools:
            raise self._undeclared(tree, "tools")
        return self._tools[tree].command(program)

    def _path(self, name: Need) -> Path:
        return Path(self._get(name))

    def _get(self, name: Need) -> Any:
        if name not in self._output.needs:
            raise self._undeclared(name, "needs")
        return self._values[name]

    def _undeclared(self, name: str, where: str) -> ConfigError:
        message = f"the output {self._output.name} reads {name}, which it does not declare"
        return ConfigError(message, hint=f'add "{name}" to its {where}')

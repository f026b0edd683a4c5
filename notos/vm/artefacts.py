"""The parts of a built machine's folder, build/NAME, that tests need; the config is not read."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from notos import architecture
from notos.architecture import Architecture
from notos.cache import Cache
from notos.errors import MachineError
from notos.home import in_checkout
from notos.store.store import Store, StoreObject
from notos.toolchain.tools_tree import ToolsTree

BACKDOOR = "backdoor"  # the service of instrumented/config.yaml


@dataclass(frozen=True)
class Artefacts:
    """The machine that `script` (its runvm.sh) boots."""

    script: Path

    @classmethod
    def at(cls, path: Path) -> "Artefacts":
        """Return the machine at `path`: its script, a link to that (`result`), or its folder.

        Raises MachineError if there is none.
        """
        script = path.resolve()
        if script.is_dir():
            script = script / "runvm.sh"
        if not script.is_file():
            raise MachineError(
                f"no machine was built at {path}",
                hint=f"run {'./doit runvm' if in_checkout() else 'notos build'}",
            )
        return cls(script)

    @property
    def folder(self) -> Path:
        """The machine's folder, build/NAME."""
        return self.script.parent

    @cached_property
    def services(self) -> frozenset[str]:
        """The names of the machine's services."""
        manifest = self.folder / "manifests/runit.json"
        if not manifest.is_file():
            return frozenset()
        runit = StoreObject.from_json(manifest.read_bytes())
        services = Store(self.folder / "store").location(runit) / "services"
        return frozenset(each.name for each in services.iterdir())

    @property
    def microvm(self) -> bool:
        """Return True if QEMU's machine type is microvm, which has no PCI."""
        return self._assigned["machine"].partition(",")[0] == "microvm"

    @property
    def build(self) -> Architecture:
        """The architecture of the tools: this computer's. Raises HostError."""
        return architecture.host()

    @property
    def tools(self) -> ToolsTree:
        """The tree that has QEMU and ssh."""
        return ToolsTree(Path(self._assigned["qemuTree"]), self.build)

    @property
    def cache(self) -> Cache:
        """The cache that the machine was built with, which has its ssh keys."""
        return Cache(Path(self._assigned["key"]).parent.parent)

    @cached_property
    def _assigned(self) -> Mapping[str, str]:
        """The assignments at the top of runvm.sh."""
        found = re.findall(r"^(\w+)=([^$`\n]*)$", self.script.read_text(), re.MULTILINE)
        return {name: " ".join(shlex.split(value)) for name, value in reversed(found)}

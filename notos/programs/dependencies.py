"""The locked dependencies of a program: fetched into the cache, and laid out for its build."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos.architecture import Architecture
from notos.cache import Cache
from notos.debian.download import Progress
from notos.errors import FetchError, NotosError
from notos.process import run
from notos.programs import kinds, npm_layout, npm_lock, python, python_index, python_packages, vendoring
from notos.programs.build import Prepared
from notos.programs.kinds import Kind
from notos.programs.npm_lock import NpmMachine
from notos.programs.requirements import Requirements
from notos.programs.wheels import Python
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

_MANAGERS = {kinds.CARGO: vendoring.CARGO, kinds.GO: vendoring.GO}


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """The dependencies of the program `name`, whose source is the folder `source` without `left_out`.

    `python` is the machine's, None for a program without Python, and `packages` are the names of the packages
    of its build. `bwrap` has the program bwrap, and `system` is the folder with the packages of the build.
    """

    name: str
    source: str
    left_out: tuple[str, ...]
    kinds: tuple[Kind, ...]
    target: Architecture
    python: Python | None
    packages: Sequence[str]
    cache: Cache
    bwrap: ToolsTree
    system: Path
    progress: Callable[[Progress], None]
    on_line: Callable[[str], None]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the program in the config."""
        return ("build", self.name)

    def prepare(self, copied: Path, dependencies: Path, home: Path) -> Prepared:
        """Fetch what the cache lacks, and add all to the folders of a build (build.py).

        Raises NotosError and FetchError, with the program's keys, and OSError.
        """
        try:
            return self._prepared(copied, dependencies, home)
        except NotosError as error:
            for each in (error, *error.parts):
                each.keys = each.keys or self.keys
            raise

    def _prepared(self, copied: Path, dependencies: Path, home: Path) -> Prepared:
        environment: dict[str, str] = {}
        readable: dict[str, Path] = {}
        if kinds.PYTHON in self.kinds:
            environment |= self._python(copied, dependencies)
        if kinds.NPM in self.kinds:
            self._npm(copied, dependencies)
        if kinds.GO in self.kinds:
            environment |= vendoring.OFFLINE_GO
        for kind, manager in _MANAGERS.items():
            if kind in self.kinds and vendoring.is_needed(manager, copied):
                modules = vendoring.ensure(
                    self.name,
                    manager,
                    copied,
                    self.cache,
                    bwrap=self.bwrap,
                    system=self.system,
                    on_line=self.on_line,
                )
                environment |= vendoring.variables(manager, modules, home, copied)
                readable[f"/deps/{manager.name}"] = modules
        return Prepared(environment, readable)

    def requirements(self) -> Requirements | None:
        """Return the requirements of a Python program; None if it has none. Raises NotosError, OSError."""
        return python.wanted(self.source, self.python, self.keys, self.left_out) if self.python else None

    def _python(self, copied: Path, dependencies: Path) -> dict[str, str]:
        assert self.python is not None, "a Python program has the machine's Python"
        wanted = self.requirements()
        chosen: list[python_packages.Chosen] = []
        if wanted is not None and wanted.pinned:
            settings = python_index.configuration(os.environ, Path.home())
            chosen = python_packages.ensure(
                wanted.pinned,
                self.python,
                self.cache,
                self.keys,
                places=lambda: python_index.places(wanted, settings, self._pips_index),
                progress=self.progress,
            )
            python.check_backends(self.name, chosen, self.cache, self.packages)
        return python.lay_out(str(copied), chosen, self.cache, dependencies, isolated=wanted is not None)

    def _pips_index(self) -> str:
        """Return the index that pip uses without a configuration. Raises FetchError."""
        sandbox = Sandbox(self.bwrap, system=self.system, environment={"COLUMNS": "4000"})
        said = run(sandbox.command(["python3", "-m", "pip", "download", "--help"])).decode()
        found = python_index.default_in(said)
        if not found:
            raise FetchError("pip names no index", hint="write index-url into pip's configuration")
        return found

    def _npm(self, copied: Path, dependencies: Path) -> None:
        folder = dependencies / "npm"
        folder.mkdir()
        found: list[str] = []
        lock = next((copied / each for each in npm_lock.FILES if (copied / each).is_file()), None)
        if lock is not None:
            registry = npm_lock.configured_registry(os.environ, Path.home(), Path(self.source))
            machine = NpmMachine("linux", self.target.node, "glibc")
            locked = npm_lock.read(Path(self.source, lock.name), registry, machine, self.keys)
            npm_layout.download(locked, self.cache, self.progress)
            npm_layout.lay_out(self.name, locked, self.cache, copied)
            found = list(npm_layout.development(locked))
            if scripted := npm_layout.with_scripts(locked):
                names = ", ".join(each.name for each in scripted)
                self.on_line(f"without their scripts for installation: {names}")
        (folder / "development").write_text("".join(f"{each}\n" for each in found))

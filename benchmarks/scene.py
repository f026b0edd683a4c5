"""The environment of benchmarks: a copy of the project with a separate cache, and reference programs."""

import os
import shutil
import sys
from functools import cached_property
from pathlib import Path

from benchmarks.measure import Run, run
from notos import architecture, loader
from notos.atomic import remove_folder
from notos.cache import Cache
from notos.config.model import Machine
from notos.debian.archive import Archive
from notos.toolchain import peers
from notos.toolchain.tools_tree import ToolsTree

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("busybox", "cpio", "nix-bin", "squashfs-tools", "zstd")
COPIED = (
    "notos",
    "tasks",
    "scripts",
    "runit",
    "kernel",
    "examples",
    "config.yaml",
    "dodo.py",
    "doit",
    "requirements.txt",
)


class Scene:
    """A copy of the project in the folder `root`, and the folder `scratch` for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.scratch = folder
        self.root = folder / "notos"
        self.cache = folder / "cache"
        self.root.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.lock")
                shutil.copytree(source, self.root / name, symlinks=True, ignore=ignore)
            else:
                shutil.copy2(source, self.root / name)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of doit. Python may write byte code, which some containers disable."""
        left_out = ("PYTHONDONTWRITEBYTECODE", "NOTOS_CALLER", "NOTOS_CONFIG")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        return kept | {"NOTOS_CACHE": str(self.cache)}

    def doit(self, *words: str) -> Run:
        """Run and measure doit."""
        return run([sys.executable, "-m", "tasks", *words], cwd=self.root, env=self.environment)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the first `old` in a file of the project."""
        path = self.root / name
        text = path.read_text()
        if old not in text:
            raise RuntimeError(f"{name} has no {old!r}")
        path.write_text(text.replace(old, new, 1))

    def forget(self) -> None:
        """Restore the state of a fresh clone with an empty cache."""
        remove_folder(self.root / "build")
        remove_folder(self.cache)
        (self.root / "config.lock").unlink(missing_ok=True)

    @cached_property
    def machine(self) -> Machine:
        """Return the machine of config.yaml."""
        return loader.load(self.root / "config.yaml").machine

    @cached_property
    def archive(self) -> Archive:
        """Return Debian's archive, with the user's cache, since downloads of peers are not measured."""
        return Archive(self.machine.debian, Cache.default(), architecture.host())

    @cached_property
    def tools(self) -> ToolsTree:
        """Return the reference programs, from the same Debian release."""
        return peers.tree(PEERS, self.archive, self.scratch / "peers.lock")

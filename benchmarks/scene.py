"""A copy of the project to build in, with a cache of its own, and peers from a tools tree."""

import os
import shutil
import sys
from functools import cached_property
from pathlib import Path

from benchmarks.measure import Run, run
from notos import loader
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
    """A folder with a copy of the project (`root`) and room besides (`scratch`)."""

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
        """A user's: byte code is kept, which some containers forbid."""
        left_out = ("PYTHONDONTWRITEBYTECODE", "NOTOS_CALLER", "NOTOS_CONFIG")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        return kept | {"NOTOS_CACHE": str(self.cache)}

    def doit(self, *words: str) -> Run:
        """Run doit by the clock, as ./doit does."""
        return run([sys.executable, "-m", "tasks", *words], cwd=self.root, env=self.environment)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the first `old` in a file of the project."""
        path = self.root / name
        text = path.read_text()
        if old not in text:
            raise RuntimeError(f"{name} has no {old!r}")
        path.write_text(text.replace(old, new, 1))

    def forget(self) -> None:
        """Be as a fresh clone, with an empty cache."""
        remove_folder(self.root / "build")
        remove_folder(self.cache)
        (self.root / "config.lock").unlink(missing_ok=True)

    @cached_property
    def machine(self) -> Machine:
        """What config.yaml says."""
        return loader.load(self.root / "config.yaml").machine

    @cached_property
    def archive(self) -> Archive:
        """Debian, with the user's own cache: peers are not what is measured."""
        return Archive(self.machine.debian, Cache.default())

    @cached_property
    def tools(self) -> ToolsTree:
        """Debian's own programs, of the same release as what we are measured by."""
        return peers.tree(PEERS, self.archive, self.scratch / "peers.lock")

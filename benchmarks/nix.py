"""Benchmarks of Nix: its cost in the machine, and the NAR hash compared with Nix's."""

import sys
from collections.abc import Iterator

from benchmarks import measure
from benchmarks.boots import boot
from benchmarks.figures import Figure
from benchmarks.measure import interleaved
from benchmarks.scene import ROOT, Scene

WITHOUT = "name: without\nimports: [config.yaml]\nnix: {enable: false}\n"
HASH = """
import sys, time
from pathlib import Path
from notos.formats import nar
from notos.formats.tree import Tree
started = time.perf_counter()
nar.digest(Tree.from_directory(Path(sys.argv[1])))
Path(sys.argv[2]).write_text(str(time.perf_counter() - started))
"""


def nix(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the size and boot time that Nix adds to the default machine."""
    (scene.root / "without.yaml").write_text(WITHOUT)
    scene.doit("runvm")
    scene.doit("config=without.yaml", "runvm")
    script, other = (scene.root / "build" / name / "runvm.sh" for name in ("notos", "without"))
    sizes = [(each.parent / "root.squashfs").stat().st_size / 1e6 for each in (script, other)]
    yield Figure("Nix in root.squashfs", "MB", [sizes[0] - sizes[1]], 18)
    seconds, plainly = interleaved(runs, lambda: boot(script)[1], lambda: boot(other)[1])
    ratios = [a / b for a, b in zip(seconds, plainly, strict=True)]
    yield Figure("QEMU's start to the ssh banner, ratio to a boot without Nix", "x", ratios, 1.05)


def nar(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the NAR hash of system-path, 60 MB, without Python's start, and `nix hash path`."""
    scene.doit("system_path")
    (folder,) = (scene.root / "build/notos/store").glob("*-system-path")
    result = scene.scratch / "seconds"

    def ours() -> float:
        measure.run([sys.executable, "-c", HASH, folder, result], cwd=ROOT)
        return float(result.read_text())

    words = [*scene.tools.command("nix"), "--extra-experimental-features", "nix-command", "hash", "path"]
    seconds, theirs = interleaved(runs, ours, lambda: measure.run([*words, folder]).seconds)
    yield Figure("NAR hash of 60 MB", "s", seconds, None, {"nix hash path": theirs})
    ratios = [a / b for a, b in zip(seconds, theirs, strict=True)]
    yield Figure("NAR hash, ratio to nix hash path", "x", ratios, 1.2)

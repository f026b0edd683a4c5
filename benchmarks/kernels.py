"""Benchmarks of custom kernels: compile time, size, and boot time."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import boots
from benchmarks.figures import Figure
from benchmarks.measure import interleaved
from benchmarks.scene import Scene
from notos import architecture
from notos.atomic import remove_folder
from notos.cache import Cache
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

TINY, FAST = "config=examples/tiny-kernel.yaml", "config=examples/fast.yaml"


def compiling(scene: Scene, _runs: int) -> Iterator[Figure]:
    """Measure examples/tiny-kernel.yaml compiled from scratch, after a changed option, and from ccache."""
    scene.doit(TINY, "kernel:configure")
    folder = scene.root / "build/tiny-kernel"
    plain = _plain_make(scene, folder)
    cold = scene.doit(TINY, "kernel:build").seconds
    yield Figure(
        "tiny-kernel compiled, nothing cached", "s", [cold], 360, {"make -j in the sandbox": [plain]}
    )
    scene.edit("examples/tiny-kernel.yaml", "  options:\n", "  options:\n    BLK_DEV_NULL_BLK: m\n")
    yield Figure("one option changed", "s", [scene.doit(TINY, "kernel:build").seconds], 60)
    scene.doit(TINY, "clean", "kernel:build")
    remove_folder(folder / "kernel")
    yield Figure("output removed, ccache kept", "s", [scene.doit(TINY, "kernel:build").seconds], 90)
    yield Figure("vmlinuz of tiny-kernel", "MB", [(folder / "vmlinuz").stat().st_size / 1e6], 3.2)


def _plain_make(scene: Scene, folder: Path) -> float:
    """Return the seconds that plain make takes for the same configuration."""
    cache = Cache(scene.cache)
    key = json.loads((folder / "tools/kernel.json").read_bytes())["key"]
    tools = ToolsTree(cache.tools(key), architecture.host())
    source = cache.source(json.loads((folder / "kernel-source.json").read_bytes())["key"])
    output = scene.scratch / "plain"
    output.mkdir()
    (output / ".config").write_bytes((folder / "kernel.config").read_bytes())
    sandbox = Sandbox(tools, readable={"/source": source}, writable={"/build": output}, folder="/build")
    words = [
        "sh",
        "-c",
        f"make -s -j$(nproc) -C /source O=/build ARCH={scene.machine.target.kernel_arch} all",
    ]
    started = time.perf_counter()
    subprocess.run(sandbox.command(words), check=True, capture_output=True)
    seconds = time.perf_counter() - started
    remove_folder(output)
    return seconds


def booting(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the boot of examples/fast.yaml to the ssh banner and to /init, and of the default machine."""
    scene.doit("runvm")
    scene.doit(FAST, "runvm")
    firsts: list[float] = []

    def boot(name: str) -> float:
        first, banner = boots.boot(scene.root / "build" / name / "runvm.sh")
        if name == "fast":
            firsts.append(first)
        return banner

    fast, default = interleaved(runs, lambda: boot("fast"), lambda: boot("notos"))
    yield Figure("fast: QEMU's start to the ssh banner", "s", fast, 2.2, {"the default machine": default})
    yield Figure("fast: QEMU's start to /init", "s", firsts, 1.1)
    size = (scene.root / "build/fast/vmlinuz").stat().st_size / 1e6
    yield Figure("vmlinuz of fast", "MB", [size], 4.0)

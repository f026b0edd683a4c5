"""Benchmarks of builds: cold, incremental, no-op, and the growth with the number of packages."""

import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.figures import Figure
from benchmarks.measure import interleaved
from benchmarks.scene import Scene
from notos.atomic import remove_folder

INCLUDED = "bash,busybox,ca-certificates,chrony,iproute2,linux-image-cloud-amd64,nix-bin,openssh-server,runit"


def cold(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure a build from a fresh clone and an empty cache, and mmdebstrap and mksquashfs for comparison."""
    memory: list[float] = []

    def ours() -> float:
        scene.forget()
        done = scene.doit("runvm")
        memory.append(done.memory)
        return done.seconds

    mmdebstrap = shutil.which("mmdebstrap")
    problems = [] if mmdebstrap else ["mmdebstrap is not installed here"]

    def theirs() -> float:
        if not problems:
            try:
                return _bootstrap(scene, str(mmdebstrap))
            except RuntimeError as error:  # it may need privileges that this user lacks
                problems.append(str(error)[:100])
        return math.nan

    seconds, peer = interleaved(min(runs, 3), ours, theirs)
    peers = {} if problems else {"mmdebstrap + mksquashfs": peer}
    yield Figure("cold build", "s", seconds, 15, peers, "".join(problems))
    yield Figure("memory of a cold build", "MB", memory, 300)


def _bootstrap(scene: Scene, mmdebstrap: str) -> float:
    root, image = scene.scratch / "mmdebstrap", scene.scratch / "mmdebstrap.squashfs"
    words = [mmdebstrap, "--quiet", "--variant=essential", f"--include={INCLUDED}"]
    made = measure.run([*words, scene.machine.debian.suite, root, scene.archive.mirrors.main]).seconds
    words = [
        *scene.tools.command("mksquashfs"),
        str(root),
        str(image),
        "-comp",
        "zstd",
        "-no-progress",
        "-quiet",
    ]
    packed = measure.run(words).seconds
    shutil.rmtree(root)
    image.unlink()
    return made + packed


def clean(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure a build after `doit clean`: downloads and tools are in the cache."""
    scene.doit("runvm")

    def ours() -> float:
        scene.doit("clean")
        return scene.doit("runvm").seconds

    yield Figure("after doit clean", "s", interleaved(runs, ours)[0], 9)


def nothing(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure builds without changes; `python -c "import doit.doit_cmd"` is the lower limit."""
    scene.doit("runvm")
    scene.doit("list")

    def least() -> float:
        words = [sys.executable, "-c", "import doit.doit_cmd"]
        return measure.run(words, cwd=scene.root, env=scene.environment).seconds

    seconds, floor, listing, dry = interleaved(
        4 * runs,
        lambda: scene.doit("runvm").seconds,
        least,
        lambda: scene.doit("list").seconds,
        lambda: scene.doit("clean", "--dry-run").seconds,
    )
    yield Figure("no-op", "s", seconds, 0.22, {"import doit": floor})
    ratios = [a / b for a, b in zip(seconds, floor, strict=True)]
    yield Figure("no-op, ratio to import doit", "x", ratios, 2.0)
    yield Figure("doit list", "s", listing, 0.2, {"import doit": floor})
    yield Figure("doit clean --dry-run", "s", dry, 0.2, {"import doit": floor})


def edits(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the rebuild after an edit of a script."""
    scene.doit("runvm")
    count = 0

    def edited(name: str, line: str, *words: str) -> float:
        nonlocal count
        count += 1
        path = scene.root / name
        path.write_text(f"{path.read_text()}\n{line} {count}\n")
        return scene.doit(*words).seconds

    runit, etc, stage1 = interleaved(
        runs,
        lambda: edited("runit/2", "# edit", "runvm"),
        lambda: edited("scripts/stage2/etc/profile", "# edit", "runvm"),
        lambda: edited("scripts/stage1/init", "# edit", "initrd"),
    )
    yield Figure("edit in runit/ to runvm.sh", "s", runit, 1.0)
    yield Figure("edit in /etc to runvm.sh", "s", etc, 1.0)
    yield Figure("edit in scripts/stage1 to initrd", "s", stage1, 0.8)


def package(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the rebuild after a package is added, with its .deb in the cache."""
    with_it, without = "    - bash\n    - less\n", "    - bash\n"

    def ours() -> float:
        scene.edit("config.yaml", without, with_it)
        seconds = scene.doit("runvm").seconds
        scene.edit("config.yaml", with_it, without)
        scene.doit("runvm")
        return seconds

    scene.doit("runvm")
    ours()
    yield Figure("package added", "s", interleaved(runs, ours)[0], 6)


def tenfold(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure how time and memory grow for ten times as many packages of ten times the total size."""
    few, many = _packages(scene)
    memory: dict[int, list[float]] = {len(few): [], len(many): []}

    def built(names: list[str]) -> float:
        config = scene.root / f"packages-{len(names)}.yaml"
        text = (
            f"name: packages{len(names)}\nsystem:\n  packages: [{', '.join(names)}]\nssh: {{server: none}}\n"
        )
        config.write_text(text)
        remove_folder(scene.root / f"build/packages{len(names)}")
        done = scene.doit(f"config={config.name}", "system_path", "squashfs")
        memory[len(names)].append(done.memory)
        return done.seconds

    for names in (few, many):  # downloads and lock
        built(names)
        memory[len(names)].clear()
    seconds, longer = interleaved(min(runs, 3), lambda: built(few), lambda: built(many))
    note = f"{len(few)} and {len(many)} requested packages"
    yield Figure(
        "time of 10 times the packages",
        "x",
        [b / a for a, b in zip(seconds, longer, strict=True)],
        11,
        {},
        note,
    )
    growth = [b / a for a, b in zip(*memory.values(), strict=True)]
    yield Figure("memory of 10 times the packages", "x", growth, 11, {}, note)


def _packages(scene: Scene) -> tuple[list[str], list[str]]:
    """Return the names of some packages without libraries, and ten times as many of ten times the size."""
    names = sorted(name for name in scene.archive.names() if name.startswith("python3-"))
    found = filter(None, map(scene.archive.newest, names))
    usual = [each for each in found if each.architecture == "all" and 10_000 < each.size < 200_000]
    few = usual[:: max(1, len(usual) // 40)][:40]
    size = 10 * sum(each.size for each in few)
    many: list[str] = []
    for each in usual:
        if len(many) < 10 * len(few) and size > 0:
            many.append(each.name)
            size -= each.size
    return [each.name for each in few], many


def sizes(scene: Scene, _runs: int) -> Iterator[Figure]:
    """Measure the size of the outputs."""
    scene.doit("runvm")
    scene.doit("config=examples/minimal.yaml", "runvm")
    default, minimal = scene.root / "build/notos", scene.root / "build/minimal"
    yield Figure("root.squashfs", "MB", [_size(default / "root.squashfs")], 22)
    yield Figure("root.squashfs of minimal.yaml", "MB", [_size(minimal / "root.squashfs")], 4.0)
    yield Figure("initrd", "MB", [_size(default / "initrd")], 1.5)


def _size(path: Path) -> float:
    return path.stat().st_size / 1e6

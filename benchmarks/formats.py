"""Benchmarks of the format writers, compared with programs that write the same formats."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.figures import Figure
from benchmarks.measure import interleaved
from benchmarks.scene import ROOT, Scene
from notos.atomic import remove_folder

FILES, BYTES = 5000, 200_000_000

CPIO = """
import sys
from pathlib import Path
from notos.formats import cpio
from notos.formats.tree import Tree
with open(sys.argv[2], "wb") as out:
    cpio.write(out, Tree.from_directory(Path(sys.argv[1])))
"""
SQUASHFS = """
import sys
from pathlib import Path
from notos.formats.squashfs import image
from notos.formats.tree import Tree
image.write_image(Path(sys.argv[2]), Tree.from_directory(Path(sys.argv[1])))
"""
IDLE = "import notos.formats.cpio"


def cpio(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure a cpio archive of 5,000 files with 200 MB, and GNU cpio; Python's start-up time separately."""
    folder = scene.scratch / "files"
    for number in range(FILES):
        path = folder / f"{number % 50:02}" / f"file{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(BYTES // FILES))
    names = "\n".join(sorted(str(path.relative_to(folder)) for path in folder.rglob("*")))
    (scene.scratch / "names").write_text(names + "\n")
    out = scene.scratch / "out.cpio"
    memory: list[float] = []

    def ours() -> float:
        done = _python(CPIO, folder, out)
        memory.append(done.memory)
        return done.seconds

    words = " ".join([*scene.tools.command("cpio"), "-o", "-H", "newc", "--quiet"])
    line = f"cd {folder} && exec {words} <{scene.scratch}/names >{out}"

    def theirs() -> float:
        return measure.run(["sh", "-c", line]).seconds

    seconds, gnu, start = interleaved(runs, ours, theirs, lambda: _python(IDLE).seconds)
    yield Figure("cpio of 200 MB", "s", seconds, None, {"GNU cpio": gnu, "Python's start": start})
    ratios = [(a - c) / b for a, b, c in zip(seconds, gnu, start, strict=True)]
    yield Figure("cpio writer, ratio to GNU cpio", "x", ratios, 1.0, {}, "without Python's start")
    yield Figure("memory of the cpio writer", "MB", memory, 64)
    shutil.rmtree(folder)


def squashfs(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the default machine's root.squashfs without reuse, and mksquashfs at two levels."""
    scene.doit("runvm")
    folder = scene.scratch / "root"
    out = scene.scratch / "out.squashfs"
    image = scene.root / "build/notos/root.squashfs"
    words = [*scene.tools.command("unsquashfs"), "-quiet", "-no-progress", "-d", str(folder), str(image)]
    measure.run(words)
    found: dict[str, list[float]] = {}

    def sized(name: str, seconds: float) -> float:
        found.setdefault(name, []).append(out.stat().st_size / 1e6)
        return seconds

    def ours() -> float:
        shutil.rmtree(scene.scratch / "reuse", ignore_errors=True)
        return sized("ours", _python(SQUASHFS, folder, out).seconds)

    def theirs(level: int) -> float:
        out.unlink(missing_ok=True)
        options = ["-comp", "zstd", "-Xcompression-level", str(level), "-b", "1M", "-no-progress", "-quiet"]
        words = [*scene.tools.command("mksquashfs"), str(folder), str(out), *options, "-no-xattrs"]
        return sized(f"mksquashfs -{level}", measure.run(words).seconds)

    seconds, middle, high = interleaved(min(runs, 3), ours, lambda: theirs(15), lambda: theirs(19))
    peers = {"mksquashfs -15": middle, "mksquashfs -19": high}
    yield Figure("squashfs of the default machine", "s", seconds, None, peers)
    yield Figure("its size", "MB", found.pop("ours"), None, found)
    remove_folder(folder)


def initrd(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the initrd, and mkinitramfs for the same kernel if this host has it."""
    scene.doit("runvm")

    def ours() -> float:
        (scene.root / "build/notos/initrd").unlink()
        return scene.doit("initrd").seconds

    mkinitramfs, unshare = shutil.which("mkinitramfs", path="/usr/sbin:/usr/bin"), shutil.which("unshare")
    works = [ours]
    out = scene.scratch / "initramfs"
    if mkinitramfs and unshare:
        (kernel,) = (scene.root / "build/notos/store").glob("*-linux-*/vmlinuz")
        line = (
            "mkdir -p /lib/modules && mount --bind $0/lib/modules /lib/modules && "
            "mount -t tmpfs none /boot && v=$(ls /lib/modules) && cp $0/config /boot/config-$v && "
            f"{mkinitramfs} -o {out} $v"
        )
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        words = [unshare, *user, "--mount", "sh", "-c", line, str(kernel.parent)]
        works.append(lambda: measure.run(words).seconds)
    try:
        seconds, *theirs = interleaved(min(runs, 3), *works)
    except RuntimeError as error:
        yield Figure("initrd", "s", interleaved(runs, ours)[0], None, {}, f"mkinitramfs: {error}"[:100])
        return
    peers = {"mkinitramfs": theirs[0]} if theirs else {}
    yield Figure("packing the initrd", "s", seconds, None, peers, "" if theirs else "no mkinitramfs")
    if theirs:
        size = (scene.root / "build/notos/initrd").stat().st_size / 1e6
        yield Figure("size of the initrd", "MB", [size], 1.5, {"mkinitramfs": [out.stat().st_size / 1e6]})


def _python(code: str, *words: Path) -> measure.Run:
    return measure.run([sys.executable, "-c", code, *words], cwd=ROOT)

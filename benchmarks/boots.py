"""Benchmarks of the boot under TCG, and of `doit switch`."""

import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import interleaved
from benchmarks.scene import Scene
from notos.live.wait_for_ssh import Probe

LIMIT = 120.0  # seconds
FIRST_LINE = b"Entering stage-1"
STEP = "scripts/step"
UNMARKED = 'step() { echo "$1"; }\nmark() { :; }\n'


def ssh(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the boot to the ssh banner and to /init, with and without the TCG options of runvm.sh."""
    scene.doit("runvm")
    script = scene.root / "build/notos/runvm.sh"
    firsts: list[float] = []
    plain_firsts: list[float] = []

    def ours() -> float:
        first, banner = boot(script)
        firsts.append(first)
        return banner

    def plain() -> float:
        first, banner = boot(script, "-kernel", str(script.parent / "vmlinuz"), CPU="max")
        plain_firsts.append(first)
        return banner

    seconds, plainly = interleaved(runs, ours, plain)
    name = "-cpu max, bzImage"
    yield Figure("QEMU's start to the ssh banner", "s", seconds, 4.5, {name: plainly})
    yield Figure("QEMU's start to /init", "s", firsts, None, {name: plain_firsts}, "the kernel's part")


def marks(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure the boot of the default machine with and without the marks of the boot steps."""
    scene.doit("runvm")
    (scene.root / "unmarked.yaml").write_text("name: unmarked\nimports: [config.yaml]\n")
    before = (scene.root / STEP).read_text()
    (scene.root / STEP).write_text(UNMARKED)
    try:
        scene.doit("config=unmarked.yaml", "runvm")
    finally:
        (scene.root / STEP).write_text(before)
    script, other = (scene.root / "build" / name / "runvm.sh" for name in ("notos", "unmarked"))
    seconds, plainly = interleaved(runs, lambda: boot(script)[1], lambda: boot(other)[1])
    ratios = [a / b for a, b in zip(seconds, plainly, strict=True)]
    yield Figure("QEMU's start to the ssh banner, ratio to a boot without marks", "x", ratios, 1.02)


def boot(script: Path, *words: str, **environment: str) -> tuple[float, float]:
    """Boot; return the seconds to the first line of /init and to the ssh banner. Raises RuntimeError."""
    started = time.perf_counter()
    with _started(script, *words, **environment) as (process, port):
        return _wait(process, port, started)


@contextmanager
def booted(script: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Boot a machine until its ssh server answers; yield the port on this host and the QEMU process.

    Raises RuntimeError if it does not answer in time.
    """
    with _started(script) as (process, port):
        _wait(process, port, time.perf_counter())
        yield port, process


@contextmanager
def _started(script: Path, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [script, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "ACCEL": "tcg", "SSH_PORT": str(port), "FORWARD": f"{port}:22", **environment},
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, started: float) -> tuple[float, float]:
    """Read the console until the ssh server answers; return the result of boot()."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    output = b""
    first: float | None = None
    with Probe(port) as probe:
        while time.perf_counter() - started < LIMIT and process.poll() is None:
            if select.select([process.stdout], [], [], 0.02 if first is None else 0)[0]:
                output = (output + (process.stdout.read(65536) or b""))[-65536:]
                if first is None and FIRST_LINE in output:
                    first = time.perf_counter() - started
            if first is not None and probe.answered(b"SSH-"):
                return first, time.perf_counter() - started
    raise RuntimeError(f"no ssh banner: {output[-500:].decode(errors='replace')}")


def switch(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure `doit switch` for an edit in /etc, including the start of doit."""
    scene.doit("runvm")
    script = scene.root / "build/notos/runvm.sh"
    config = scene.root / "config.yaml"
    before = config.read_text()
    with booted(script) as (port, _):

        def edit() -> float:
            config.write_text(f"{before}\netc: {{motd: {{text: '{time.perf_counter()}'}}}}\n")
            return scene.doit("switch", f"port={port}").seconds

        try:
            edit()  # the first switch also waits for the registration of the image
            seconds = [edit() for _ in range(runs)]
        finally:
            config.write_text(before)
    yield Figure("switch to an edit in /etc", "s", seconds, 4.0)

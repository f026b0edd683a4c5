"""How long a boot takes, by emulation: from QEMU's start to what the user waits for."""

import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import interleaved
from benchmarks.scene import Scene

LIMIT = 120.0  # seconds
FIRST_LINE = b"Entering stage-1"


def ssh(scene: Scene, runs: int) -> Iterator[Figure]:
    """To the ssh banner, and to /init; and the same without what runvm.sh does for emulation."""
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


def boot(script: Path, *words: str, **environment: str) -> tuple[float, float]:
    """Seconds to the first line of /init, and to the ssh banner. Raises RuntimeError without one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [script, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "ACCEL": "tcg", "SSH_PORT": str(port), **environment},
    )
    try:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        said = b""
        first: float | None = None
        asked = 0.0
        knocks: list[socket.socket] = []
        while time.perf_counter() - started < LIMIT and process.poll() is None:
            # QEMU's network takes a connection at once and passes it on when the machine answers, at last
            # after seconds: so a new one is made every so often, and the first that is answered counts.
            if first is not None and time.perf_counter() - asked > 0.2:
                asked = time.perf_counter()
                knock = socket.socket()
                knock.setblocking(False)
                knock.connect_ex(("127.0.0.1", port))
                knocks = [*knocks[-5:], knock]
            if select.select([process.stdout], [], [], 0 if knocks else 0.02)[0]:
                said = (said + (process.stdout.read(65536) or b""))[-65536:]
                if first is None and FIRST_LINE in said:
                    first = time.perf_counter() - started
            for each in select.select(knocks, [], [], 0.02)[0] if knocks else ():
                if _answered(each):
                    assert first is not None
                    return first, time.perf_counter() - started
                knocks.remove(each)
        raise RuntimeError(f"no ssh banner: {said[-500:].decode(errors='replace')}")
    finally:
        process.kill()
        process.wait()


def _answered(knock: socket.socket) -> bool:
    try:
        return knock.recv(64).startswith(b"SSH-")
    except OSError:
        return False

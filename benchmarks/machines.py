"""Benchmarks of the test driver: overhead over QEMU and ssh, latency of failures, reliability of boots."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.boots import booted
from benchmarks.figures import Figure
from benchmarks.measure import interleaved
from benchmarks.scene import Scene
from notos.errors import MachineError, MachineLostError
from notos.live.ssh_key import Address, login
from notos.process import run
from notos.vm import Machine
from notos.vm.artefacts import Artefacts

_SOAK = 40  # boots per run


def driver(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure boot, command and power-off; the latency of a panic and of a command; two parallel machines."""
    scene.doit("runvm")
    script = scene.root / "build/notos/runvm.sh"
    ours, by_hand = interleaved(runs, lambda: _cycle(script), lambda: _cycle_by_hand(script))
    extra = [mine - other for mine, other in zip(ours, by_hand, strict=True)]
    yield Figure("boot, command, poweroff: overhead of the driver", "s", extra, 0.3)
    yield Figure("boot, command, poweroff", "s", ours, None, {"QEMU and ssh by hand": by_hand})
    yield Figure("from a panic to the failed call", "s", [_panic(script) for _ in range(runs)], 1.0)
    with _machine(script) as machine:
        machine.succeed("true")
        yield Figure('execute("true")', "s", [_timed_true(machine) for _ in range(20 * runs)], 0.15)
    one, two = interleaved(runs, lambda: _side_by_side(script, 1), lambda: _side_by_side(script, 2))
    ratios = [both / single for single, both in zip(one, two, strict=True)]
    yield Figure("two machines in parallel, ratio to one", "x", ratios, 1.3)


def soak(scene: Scene, runs: int) -> Iterator[Figure]:
    """Measure many consecutive boots to the ssh banner; stop at the first failure."""
    scene.doit("runvm")
    script = scene.root / "build/notos/runvm.sh"
    count = _SOAK * runs
    seconds = []
    for number in range(count):
        try:
            with _machine(script) as machine:
                seconds.append(machine.wait_for_banner() - machine.started)
        except MachineError as error:
            raise RuntimeError(f"boot {number + 1} of {count} failed: {error}") from None
    yield Figure(f"QEMU's start to the ssh banner, {count} of {count} boots", "s", seconds)


def _machine(script: Path) -> Machine:
    return Machine(script, environment={"ACCEL": "tcg"})


def _cycle(script: Path) -> float:
    started = time.perf_counter()
    with _machine(script) as machine:
        machine.succeed("true")
        machine.shutdown()
    return time.perf_counter() - started


def _cycle_by_hand(script: Path) -> float:
    """Run the same cycle by runvm.sh and two calls of ssh; return the seconds."""
    started = time.perf_counter()
    with booted(script) as (port, process):
        built = Artefacts.at(script)
        words = login(built.cache, built.tools, Address("", str(port)))
        environment = {"PATH": "/nonexistent"}
        run([*words, "true"], env=environment)
        subprocess.run([*words, "poweroff"], env=environment, check=False, stderr=subprocess.DEVNULL)
        process.wait(30)
    return time.perf_counter() - started


def _panic(script: Path) -> float:
    """Return the seconds from the panic's line on the console to the exception."""
    with _machine(script) as vm:
        vm.wait_for_boot()
        try:
            vm.execute("echo c >/proc/sysrq-trigger; sleep 600")
        except MachineLostError:
            raised = time.monotonic()
            line = next(each for each in vm.console.lines if "Kernel panic" in each.text)
            return raised - line.at
    raise RuntimeError("the panic was not reported")


def _timed_true(machine: Machine) -> float:
    started = time.perf_counter()
    machine.execute("true")
    return time.perf_counter() - started


def _side_by_side(script: Path, count: int) -> float:
    """Return the seconds until each of `count` machines, started in parallel, has run a command."""

    def one() -> None:
        with _machine(script) as machine:
            machine.succeed("true")

    started = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        for each in [pool.submit(one) for _ in range(count)]:
            each.result()
    return time.perf_counter() - started

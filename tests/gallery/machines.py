"""The gallery's machines in tests: built, booted, measured at the moment they do their job, switched.

In a whole run (`--figures=FOLDER`), each machine is built from nothing but the warm cache, and its figures
are in FOLDER/NAME.json:

    image     bytes of root.squashfs
    build     seconds of `./doit runvm` with all packages in the cache and an empty build folder
    boot      seconds from QEMU's start until the machine does its job
    services  kB that each service of the config uses (PSS of its processes)
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from notos import atomic, loader
from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import ROOT, clean_environment

MACHINES = ROOT / "examples/machines"
_WORK = ROOT / "build/machines"  # notos_work

# Print each service and the kB of its process and of all processes below it.
_MEMORY = r"""
for service in /run/service/*; do
    pid=$(cat "$service/supervise/pid" 2>/dev/null)
    [ -n "$pid" ] && echo "service ${service##*/} $pid"
done
for process in /proc/[0-9]*; do
    parent=$(sed 's/.*) . \([0-9]*\) .*/\1/' "$process/stat" 2>/dev/null) || continue
    size=$(sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "$process/smaps_rollup" 2>/dev/null)
    echo "process ${process#/proc/} $parent ${size:-0}"
done
:
"""


class Gallery:
    """The value of the fixture `gallery`: a factory of the machines in examples/machines."""

    def __init__(self, factory: MachineFactory, figures: Path | None) -> None:
        self._factory = factory
        self._figures = figures
        self._built: dict[str, float] = {}

    def __call__(
        self, name: str, overrides: Mapping[str, Any] | None = None, /, *, config: str = "config", **more: Any
    ) -> Machine:
        """Return the booting machine `name`; otherwise like MachineFactory.__call__.

        `config` is another config in its folder. Only the config as it is has figures.
        """
        path = MACHINES / name / f"{config}.yaml"
        if self._figures and not overrides and config == "config" and name not in self._built:
            self._built[name] = _build_seconds(path)
        return self._factory(path, overrides, **more)

    def at(self, config: Path, overrides: Mapping[str, Any] | None = None, **more: Any) -> Machine:
        """Return the booting machine of another config, such as an edited copy of one."""
        return self._factory(config, overrides, **more)

    def works(self, machine: Machine) -> None:
        """Record the figures of a machine, which does its job since now."""
        name = machine.built.folder.name
        if self._figures is None or name not in self._built:
            return
        boot = time.monotonic() - machine.started
        figures = {
            "image": (machine.built.folder / "root.squashfs").stat().st_size,
            "build": round(self._built[name], 1),
            "boot": round(boot, 1),
            "services": memory(machine, name),
        }
        self._figures.mkdir(parents=True, exist_ok=True)
        atomic.write_if_changed(self._figures / f"{name}.json", json.dumps(figures, indent=1) + "\n")


def memory(machine: Machine, name: str) -> dict[str, int]:
    """Return the kB that each service in the config of `name` uses."""
    output = machine.succeed(_MEMORY)
    wanted = loader.load(MACHINES / name / "config.yaml").machine.services
    processes = {
        pid: (parent, int(kb)) for pid, parent, kb in re.findall(r"process (\d+) (\d+) (\d+)", output)
    }
    roots = dict(re.findall(r"service (\S+) (\d+)", output))

    def size(root: str) -> int:
        below = [pid for pid, (parent, _) in processes.items() if parent == root]
        return processes.get(root, ("", 0))[1] + sum(map(size, below))

    return {service: size(roots[service]) for service in wanted if service in roots}


def set_clock(machine: Machine, time_of_day: str) -> None:
    """Set the clock to a time of the next day, and let the timers start there.

    The time must not be before their latest run: they wait for the next one after that.
    """
    tomorrow = "$(date -d @$(($(date +%s) + 86400)) +%F)"
    machine.succeed("sv stop timers", f'date -s "{tomorrow} {time_of_day}"', "sv start timers")


def _build_seconds(config: Path) -> float:
    """Build a machine in an empty folder, with its packages in the cache; return the seconds it takes."""
    doit(config, "fetch")
    folder = _WORK / "build" / config.parent.name
    shutil.rmtree(folder, ignore_errors=True)
    begun = time.monotonic()
    doit(config, "runvm")
    return time.monotonic() - begun


def doit(config: Path, *words: str, **variables: str) -> str:
    """Run `./doit --config CONFIG WORDS` where the tests build; return its output."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tasks", "--config", str(config), *words],
        cwd=_WORK,
        env={**clean_environment(), "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copied(name: str, folder: Path) -> Path:
    """Copy the files of the machine `name` into `folder`, with its lock; return the config's path."""
    return shutil.copytree(MACHINES / name, folder / name) / "config.yaml"


def switch(machine: Machine, config: Path) -> str:
    """Switch the machine to its config, which was edited; return the output of `./doit switch`."""
    return doit(config, "switch", SSH_PORT=str(machine.forward(22)))

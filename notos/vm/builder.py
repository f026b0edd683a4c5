"""Builds machines for tests, through the graph, in a folder of its own: the user's build/ and result stay.

<folder>/configs/NAME.yaml, .lock                  what a test asks for, laid on the user's config
<folder>/build/NAME/                               the machines
"""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from notos import atomic, loader
from notos.config.model import Machine
from notos.errors import MachineError
from notos.features import registry
from notos.home import PACKAGE, python_path
from notos.process import follow
from notos.vm.artefacts import BACKDOOR

__tracebackhide__ = True  # a failed test shows the test's line (pytest)

INSTRUMENTED = PACKAGE / "vm/instrumented/config.yaml"


class Builder:
    """Builds in `folder`; `heard` is told what doit prints, line by line."""

    def __init__(self, folder: Path, heard: Callable[[str], None]) -> None:
        self._folder = folder
        self._heard = heard

    def build(
        self, base: Path, overrides: Mapping[str, Any] | None = None, *, instrumented: bool = False
    ) -> tuple[Path, Machine]:
        """Build the config `base` with `overrides` laid on it: its runvm.sh, and what it is.

        A machine without ssh is instrumented always. Raises ConfigError, MachineError.
        """
        self._prepare()
        if not base.is_file():
            raise MachineError(f"there is no config {base}", hint="set notos_config, or name one")
        asked = dict(overrides or {})
        path = self._config(base, asked) if asked else base
        machine = loader.load(path).machine
        features = registry.features(machine)
        lacking = BACKDOOR not in {each.name for each in features.services}
        if lacking and (instrumented or not features.login):
            path = self._config(base, _with_backdoor(asked, machine), INSTRUMENTED)
            machine = loader.load(path).machine
        with self._alone(machine.name):
            self._run_doit(path)
        return self._folder / "build" / machine.name / "runvm.sh", machine

    def _prepare(self) -> None:
        (self._folder / "configs").mkdir(parents=True, exist_ok=True)
        (self._folder / ".gitignore").write_text("*\n")

    def _config(self, base: Path, asked: Mapping[str, Any], *imports: Path) -> Path:
        """Write the config of what is asked for, with the base's lock to start from."""
        whole = {**asked, "imports": [str(base), *map(str, imports), *asked.get("imports", [])]}
        digest = hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:8]
        # Whatever it is called, two that differ are never of one folder.
        whole["name"] = f"{whole.get('name') or loader.load(base).machine.name}-{digest}"
        path = self._folder / "configs" / f"{whole['name']}.yaml"
        text = yaml.safe_dump(json.loads(json.dumps(whole, default=str)), sort_keys=False)
        atomic.write_if_changed(path, text)
        lock, copied = base.with_suffix(".lock"), path.with_suffix(".base")
        if lock.is_file() and not (copied.is_file() and copied.read_bytes() == lock.read_bytes()):
            atomic.write_if_changed(path.with_suffix(".lock"), lock.read_bytes())
            atomic.write_if_changed(copied, lock.read_bytes())
        return path

    def _run_doit(self, path: Path) -> None:
        told = ("NOTOS_CALLER", "NOTOS_CONFIG")  # by a doit that runs the tests
        environment = {key: value for key, value in os.environ.items() if key not in told}
        environment["PYTHONPATH"] = python_path()
        said: list[str] = []

        def hear(line: str) -> None:
            said.append(line)
            self._heard(line)

        words = [sys.executable, "-P", "-m", "tasks", "--config", str(path), "runvm"]
        log = self._folder / "configs" / f"{path.stem}.log"
        if follow(words, log, hear, cwd=self._folder, env=environment):
            raise MachineError("\n".join([f"cannot build {path}", *said[-12:]]))

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """One build of a machine at a time, for tests may run side by side."""
        with (self._folder / "configs" / f".{name}.busy").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _with_backdoor(asked: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
    """What the backdoor needs of a kernel of one's own."""
    if machine.kernel.source is None:
        return dict(asked)
    kernel = dict(asked.get("kernel", {}))
    kernel["options"] = {"VIRTIO_CONSOLE": "y", **kernel.get("options", {})}
    return {**asked, "kernel": kernel}

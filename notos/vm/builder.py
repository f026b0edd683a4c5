"""The builder of machines for tests: runs doit in a separate folder, so the user's build/ and result stay.

<folder>/configs/NAME.yaml, .lock                  a test's overrides, merged onto the user's config
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

from notos import atomic, loader
from notos.config.model import Machine
from notos.errors import MachineError
from notos.features import registry
from notos.home import PACKAGE, python_path
from notos.process import follow
from notos.pyyaml import yaml
from notos.vm.artefacts import BACKDOOR

__tracebackhide__ = True  # a failed test shows the test's line (pytest)

INSTRUMENTED = PACKAGE / "vm/instrumented/config.yaml"


class Builder:
    """Builds machines in `folder`; `report` is called with each line that doit prints."""

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._report = report

    def build(
        self, base: Path, overrides: Mapping[str, Any] | None = None, *, instrumented: bool = False
    ) -> tuple[Path, Machine]:
        """Build the config `base` with `overrides` merged onto it; return its runvm.sh and its Machine.

        A machine without ssh always gets the backdoor. Raises ConfigError, MachineError.
        """
        self._prepare()
        if not base.is_file():
            raise MachineError(f"config {base} does not exist", hint="set notos_config, or give a path")
        keys = dict(overrides or {})
        path = self._config(base, keys) if keys else base
        machine = loader.load(path).machine
        features = registry.features(machine)
        lacking = BACKDOOR not in {each.name for each in features.services}
        if lacking and (instrumented or not features.login):
            path = self._config(base, _with_backdoor(keys, machine), INSTRUMENTED)
            machine = loader.load(path).machine
        with self._alone(machine.name):
            self._run_doit(path)
        return self._folder / "build" / machine.name / "runvm.sh", machine

    def _prepare(self) -> None:
        (self._folder / "configs").mkdir(parents=True, exist_ok=True)
        (self._folder / ".gitignore").write_text("*\n")

    def _config(self, base: Path, keys: Mapping[str, Any], *imports: Path) -> Path:
        """Write a config with `keys` that imports `base`, and a copy of the base's lock; return its path."""
        whole = {**keys, "imports": [str(base), *map(str, imports), *keys.get("imports", [])]}
        digest = hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:8]
        # The digest gives different configs different folders, even under the same name.
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
        inherited = ("NOTOS_CALLER", "NOTOS_CONFIG")  # set by the doit that runs the tests
        environment = {key: value for key, value in os.environ.items() if key not in inherited}
        environment["PYTHONPATH"] = python_path()
        output: list[str] = []

        def record(line: str) -> None:
            output.append(line)
            self._report(line)

        words = [sys.executable, "-P", "-m", "tasks", "--config", str(path), "runvm"]
        log = self._folder / "configs" / f"{path.stem}.log"
        if follow(words, log, record, cwd=self._folder, env=environment):
            raise MachineError("\n".join([f"cannot build {path}", *output[-12:]]))

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Hold the lock of a machine's builds: tests may run in parallel."""
        with (self._folder / "configs" / f".{name}.busy").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _with_backdoor(keys: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
    """Return `keys` with the option that the backdoor needs in a custom kernel."""
    if machine.kernel.source is None:
        return dict(keys)
    kernel = dict(keys.get("kernel", {}))
    kernel["options"] = {"VIRTIO_CONSOLE": "y", **kernel.get("options", {})}
    return {**keys, "kernel": kernel}

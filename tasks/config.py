"""The config of this run: the machine, the host's settings, and the paths of lock, build and cache."""

import os
from functools import partial
from pathlib import Path

from doit import get_var
from doit.exceptions import InvalidDodoFile

from notos import architecture, loader
from notos.cache import Cache
from notos.config import host_settings
from notos.config.model import Machine
from notos.errors import NotosError
from notos.features import registry
from notos.features.join import join
from notos.features.model import Features
from tasks import inputs, usage


class BrokenConfigError(InvalidDodoFile):  # type: ignore[misc]  # doit has no types
    """An error that doit prints as one message, without a traceback."""


def _config() -> Path:
    named = get_var(usage.CONFIG.name) or os.environ.get("NOTOS_CONFIG")
    if not named:
        return Path("config.yaml")
    path = usage.from_caller(named)
    # One spelling for one file. A symbolic link before .. may lead to another folder, so compare.
    plain = Path(os.path.normpath(Path.cwd() / path))
    path = plain if _same(plain, path) else path
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _same(one: Path, other: Path) -> bool:
    """Return True if both paths lead to one file, False if they do not or cannot be read."""
    try:
        return one.samefile(other)
    except OSError:
        return False


try:
    CONFIG = _config()
    _loaded = loader.load(CONFIG)
    # The host's settings change no output, so no task depends on them.
    HOST = host_settings.load()
    CACHE = Cache.default()
    BUILD = architecture.host()  # of the programs that the build runs
except NotosError as error:
    raise BrokenConfigError(str(error)) from None

# Views record the fields that actions read.
MACHINE: Machine = inputs.view(_loaded.machine)
try:
    FEATURES: Features = inputs.derived(
        {each.__name__: partial(each.feature, MACHINE) for each in registry.MODULES}, join, "features"
    )
except NotosError as error:  # of an extension that does not return the same twice
    raise BrokenConfigError(_loaded.explained(error)) from None
LOCK = str(CONFIG.with_suffix(".lock"))
FOLDER = f"build/{_loaded.machine.name}"
DRIVE = "disk.img"  # made by runvm.sh

# Functions that find lines of the config, for messages.
place = _loaded.place
explained = _loaded.explained
gives = _loaded.gives


def build(*parts: str) -> str:
    """Return the path of a file of the build, in the one spelling that all tasks use."""
    return "/".join([FOLDER, *parts])


def manifest(name: str) -> str:
    """Return the path of a store object's manifest, on which the tasks that use the object depend."""
    return build("manifests", f"{name}.json")

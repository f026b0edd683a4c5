"""This run's config: the machine, the host's settings, and where the lock, the build and the cache are."""

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
    """doit prints it as one message, without a traceback."""


def _config() -> Path:
    named = get_var(usage.CONFIG.name) or os.environ.get("NOTOS_CONFIG")
    if not named:
        return Path("config.yaml")
    path = usage.from_caller(named)
    # One spelling for one file, however it is named; a link before .. leads elsewhere.
    plain = Path(os.path.normpath(Path.cwd() / path))
    path = plain if _same(plain, path) else path
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _same(one: Path, other: Path) -> bool:
    """Return True if both paths lead to one file; False too where the folders above it cannot be searched."""
    try:
        return one.samefile(other)
    except OSError:
        return False


try:
    CONFIG = _config()
    _loaded = loader.load(CONFIG)
    # Nothing in them changes an output, so no task depends on them.
    HOST = host_settings.load()
    CACHE = Cache.default()
    BUILD = architecture.host()  # of the programs that the build runs
except NotosError as error:
    raise BrokenConfigError(str(error)) from None

# What actions read of it is recorded.
MACHINE: Machine = inputs.view(_loaded.machine)
FEATURES: Features = inputs.derived(
    {each.__name__: partial(each.feature, MACHINE) for each in registry.MODULES}, join, "features"
)
LOCK = str(CONFIG.with_suffix(".lock"))
FOLDER = f"build/{_loaded.machine.name}"
DRIVE = "disk.img"  # made by runvm.sh

# Lines of the config, for messages.
place = _loaded.place
explained = _loaded.explained
gives = _loaded.gives


def build(*parts: str) -> str:
    """Return the path of a file of the build, in the one spelling that all tasks use."""
    return "/".join([FOLDER, *parts])


def manifest(name: str) -> str:
    """Return the path of a store object's manifest, on which the tasks that use the object depend."""
    return build("manifests", f"{name}.json")

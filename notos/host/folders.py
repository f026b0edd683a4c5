"""The user's own folders, by the XDG Base Directory Specification, which ignores relative values."""

import os
from pathlib import Path

from notos.errors import HostError

_NO_HOME = Path("/nonexistent")  # Debian's name for a home folder that is not to exist


def home() -> Path:
    """Return the home folder; /nonexistent for a user without one, as of a container that names a number."""
    if own := os.environ.get("HOME"):
        return Path(own)
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return _NO_HOME


def cache() -> Path:
    """Return $NOTOS_CACHE, else $XDG_CACHE_HOME/notos, else ~/.cache/notos. Raises HostError."""
    if own := os.environ.get("NOTOS_CACHE"):
        return Path(own).absolute()
    return _below("XDG_CACHE_HOME", ".cache", hint="set HOME, or set NOTOS_CACHE to a folder of yours")


def config() -> Path:
    """Return $XDG_CONFIG_HOME/notos, else ~/.config/notos. Raises HostError."""
    return _below("XDG_CONFIG_HOME", ".config", hint="set HOME, or set XDG_CONFIG_HOME to a folder of yours")


def _below(variable: str, name: str, *, hint: str) -> Path:
    own = os.environ.get(variable, "")
    if own.startswith("/"):
        return Path(own) / "notos"
    found = home()
    if found == _NO_HOME or not found.is_absolute():
        raise HostError("this user has no home folder", hint=hint)
    return found / name / "notos"

"""The user's folders (XDG Base Directory Specification, which ignores relative values)."""

import os
from pathlib import Path

from notos.errors import HostError

_NO_HOME = Path("/nonexistent")  # the home folder of Debian users that have none


def home() -> Path:
    """Return the home folder; /nonexistent for a user id that is not in the user database."""
    if value := os.environ.get("HOME"):
        return Path(value)
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return _NO_HOME


def cache() -> Path:
    """Return $NOTOS_CACHE, otherwise $XDG_CACHE_HOME/notos, otherwise ~/.cache/notos. Raises HostError."""
    if value := os.environ.get("NOTOS_CACHE"):
        return Path(value).absolute()
    return _below("XDG_CACHE_HOME", ".cache", hint="set HOME, or set NOTOS_CACHE to a writable folder")


def config() -> Path:
    """Return $XDG_CONFIG_HOME/notos, otherwise ~/.config/notos. Raises HostError."""
    return _below("XDG_CONFIG_HOME", ".config", hint="set HOME, or set XDG_CONFIG_HOME to a writable folder")


def _below(variable: str, name: str, *, hint: str) -> Path:
    value = os.environ.get(variable, "")
    if value.startswith("/"):
        return Path(value) / "notos"
    found = home()
    if found == _NO_HOME or not found.is_absolute():
        raise HostError("this user has no home folder", hint=hint)
    return found / name / "notos"

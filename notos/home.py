"""The folder of Notos' own files (scripts/, runit/, kernel/, the graph), in a checkout or an installed wheel.

The current directory is the user's project: its config, build/ and result. In a checkout both
are the same folder.
"""

import os
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@cache
def home() -> Path:
    """Return the folder of Notos' own files: notos/graph of a wheel, else the checkout of this package."""
    installed = PACKAGE / "graph"
    return installed if installed.is_dir() else PACKAGE.parent


def in_checkout() -> bool:
    """Return True if the current directory, where builds go, is the checkout of Notos itself."""
    return Path.cwd() == home()


def own(path: str) -> str:
    """Return the path of Notos' file `path` (scripts/step) in the one spelling that all tasks use.

    It is relative where the checkout itself is built in, absolute in other projects.
    """
    return path if in_checkout() else str(home() / path)


def packaged(path: str) -> str:
    """Return the path of a file of this package (debian/keys/x.asc) in the spelling that all tasks use."""
    return f"{PACKAGE.name}/{path}" if in_checkout() else str(PACKAGE / path)


def python_path() -> str:
    """Return PYTHONPATH for a process that runs `python -P -m tasks` with this Notos."""
    return os.pathsep.join(filter(None, [str(home()), str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))

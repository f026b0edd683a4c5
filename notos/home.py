"""The location of Notos' data files (scripts/, runit/, kernel/, the graph), in a checkout or a wheel.

The current directory is the user's project, with its config, build/ and result. In a checkout both
are the same folder.
"""

import os
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@cache
def home() -> Path:
    """Return the folder of Notos' data files: notos/graph of a wheel, otherwise the checkout."""
    installed = PACKAGE / "graph"
    return installed if installed.is_dir() else PACKAGE.parent


def in_checkout() -> bool:
    """Return True if the current directory is the checkout of Notos itself."""
    return Path.cwd() == home()


def own(path: str) -> str:
    """Return the path of Notos' data file `path` (scripts/step) in the one spelling that all tasks use.

    The result is relative if the current directory is the checkout, otherwise absolute.
    """
    return path if in_checkout() else str(home() / path)


def packaged(path: str) -> str:
    """Return the path of a file in this package (debian/keys/x.asc) in the spelling that all tasks use."""
    return f"{PACKAGE.name}/{path}" if in_checkout() else str(PACKAGE / path)


def python_path() -> str:
    """Return the PYTHONPATH for `python -P -m tasks` with this Notos."""
    return os.pathsep.join(filter(None, [str(home()), str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))

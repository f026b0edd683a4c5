"""Supported versions of doit.

tasks/session.py and tasks/command_line.py change undocumented parts of doit, so another version may fail in
the middle of a build. pyproject.toml has the same bounds.
"""

import sys

from notos.errors import ToolError
from tasks import startup

SERIES = (0, 37)
BOUNDS = ">=0.37,<0.38"


def check() -> None:
    """Raise ToolError if the installed doit has another minor version. This imports only doit itself."""
    startup.pause_collection()
    with startup.deferred_imports():
        import doit

    if doit.__version__[:2] != SERIES:
        version = ".".join(map(str, doit.__version__))
        raise ToolError(
            f"doit {version} is installed; Notos works with doit {'.'.join(map(str, SERIES))}",
            hint=f"run {sys.executable} -m pip install 'doit{BOUNDS}'",
        )

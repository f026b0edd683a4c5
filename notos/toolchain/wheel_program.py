"""Programs that come with Python packages of Notos' own, beside its Python."""

import sys
from pathlib import Path

from notos.errors import ToolError


def wheel_program(name: str) -> str:
    """Return the path of the program that the Python package `name` has. Raises ToolError if it is missing.

    `name` is written out where this is called: tasks/sources.py finds there whose version counts.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ToolError(f"{path} is missing", hint="run ./doit, which installs it")
    return str(path)

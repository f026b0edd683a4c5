"""Programs of the Python packages that Notos depends on, in the folder of its Python interpreter."""

import sys
from pathlib import Path

from notos.errors import ToolError


def wheel_program(name: str) -> str:
    """Return the path of the program of the Python package `name`. Raises ToolError if it is missing.

    Callers pass a literal: tasks/sources.py reads it to find the package whose version affects the output.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ToolError(f"{path} is missing", hint="run ./doit, which installs it")
    return str(path)

"""A service unit and its sockets, as the plan that run-unit follows."""

from notos.units.model import Context, Translation
from notos.units.unit_files import UnitFiles


def translate(name: str, files: UnitFiles, context: Context) -> Translation:
    """Return the plan of the service unit `name` ("nginx.service", "postgresql@17-main.service").

    Raises NotosError with one part for each setting that is invalid or not supported, with its file and line.
    """
    raise NotImplementedError

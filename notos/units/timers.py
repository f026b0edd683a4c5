"""Timer units (systemd.timer(5)): their schedules and the unit that they start."""

from notos.units.model import Context, Timer
from notos.units.unit_files import UnitFiles


def timer(name: str, files: UnitFiles, context: Context) -> Timer:
    """Return the schedules of the timer unit `name` ("logrotate.timer"), and the unit that it starts.

    Raises NotosError with one part for each setting that is invalid or not supported, with its file and line.
    """
    raise NotImplementedError

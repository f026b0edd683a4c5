"""The time zone."""

from notos.config.model import Glob, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.features.model import Choice, EtcFile, Feature, Link, Text

KEYS = ("timezone",)
CHECKS: Checks = {}

_PACKAGE = PackageName("tzdata")
_FOLDER = "share/zoneinfo"
_UTC = ("UTC", "Etc/UTC")  # what libc takes without /etc/localtime


def feature(machine: Machine) -> Feature:
    """Return the zone's file and the link to it (localtime(5)); nothing for UTC."""
    zone = machine.timezone
    if zone in _UTC:
        return Feature()
    return Feature(
        packages=(Package(name=_PACKAGE, only=(Glob(f"usr/{_FOLDER}/{zone}"),)),),
        choices=(Choice(_PACKAGE, _FOLDER, zone, "time zone", ("timezone",)),),
        etc=(
            EtcFile(path="localtime", content=Link(f"/usr/{_FOLDER}/{zone}")),
            EtcFile(path="timezone", content=Text(f"{zone}\n")),
        ),
    )

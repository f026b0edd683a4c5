"""A watchdog: the kernel restarts the machine when its services do not run for a while."""

from dataclasses import dataclass

from notos.config.model import Machine, setting
from notos.features.model import EtcFile, Feature, Script, Service, Text
from notos.kernel.requirements import Requirement


@dataclass(frozen=True)
class Settings:
    """Settings of the watchdog."""

    seconds: int = setting("seconds without a sign of life before the machine restarts", 60, minimum=2)
    panic: bool = setting("whether the kernel panics, and does not restart at once", False)


def feature(machine: Machine, settings: Settings) -> Feature:
    """Return the kernel's timer, and the service that keeps it from running out."""
    return Feature(
        requirements=(Requirement("SOFT_WATCHDOG", "for the watchdog", "softdog", early=False),),
        scripts=(Script(path="boot/80-watchdog", values={"panic": int(settings.panic)}),),
        services=(Service(name="watchdog", folder="service", reads=("watchdog.conf",)),),
        etc=(EtcFile(path="watchdog.conf", content=Text(f"timeout={settings.seconds}\n")),),
    )

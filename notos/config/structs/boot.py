"""Scripts that run once at boot, and timers."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from notos.config.setting import setting
from notos.config.structs.debian import Package
from notos.config.value_types import AccountName, Line, Period, ShellText, TimeOfDay, TimerUnit, UnitKey
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class BootScript:
    """A script that runs once at boot, as a process of its own."""

    BARE: ClassVar = "run"

    run: ShellText = setting("the script; without #! it is a shell script")
    when: Literal["pre-mount", "post-boot", "before-network", "after-network", "with-services"] = setting(
        "pre-mount: in stage-1, before the root is mounted; post-boot: at the end of stage-2; before-network "
        "and after-network: before the services; with-services: at their start, without a delay for them",
        "after-network",
    )
    required: bool = setting("if it fails, stop the boot: what follows does not start", False)
    timeout: int | None = setting(
        "seconds after which it is ended and has failed; without it, no limit",
        None,
        minimum=1,
        maximum=86400,
        example=30,
    )
    packages: tuple[Package, ...] = setting(
        "packages that it needs; with pre-mount, they are in the initrd", ()
    )


@dataclass(frozen=True, kw_only=True)
class Timer:
    """A script that runs at certain times, or a systemd timer."""

    every: Literal["hour", "day", "week"] | Period | None = setting(
        "hour, day or week by the clock of the time zone, or a period such as 15m, 6h or 2d; needed with run",
        None,
        example="day",
    )
    at: TimeOfDay | None = setting("the time of day (03:00); with hour, only the minute counts (00:15)", None)
    on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | None = (
        setting("with week: the day; monday by default", None)
    )
    run: ShellText | None = setting("the script; without #! it is a shell script", None)
    unit: TimerUnit | None = setting(
        "in place of run and every: a systemd timer of a package, or a file (./backup.timer)", None
    )
    set: Mapping[UnitKey, tuple[int | bool | Line, ...]] = setting(
        "keys of the timer's service with other values, as in a drop-in; Timer.OnCalendar for the timer",
        dict,
        single=True,
        example={"Timer.OnCalendar": "daily"},
    )
    user: AccountName | None = setting("the account that runs it; root by default", None)
    packages: tuple[Package, ...] | None = setting(
        "packages that it needs; of a unit, by default the package with the timer's name if one exists",
        None,
        example=["hello"],
    )

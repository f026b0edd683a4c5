"""Services."""

from collections.abc import Mapping

from notos.config.setting import setting
from notos.config.structs.debian import Package
from notos.config.value_types import (
    Line,
    ReadGlob,
    ServiceUnit,
    ShellText,
    SourceFolder,
    UnitKey,
    VariableName,
)
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that runit keeps running: a systemd unit of a package or of yours, a script or a folder."""

    run: ShellText | None = setting("its run script, a shell script that ends with exec", None)
    source: SourceFolder | None = setting("or a service folder: run, and optionally finish and others", None)
    unit: ServiceUnit | None = setting(
        "or, and without both, a systemd unit: one of a package, or a file (./app.service); NAME.service by "
        "default",
        None,
    )
    set: Mapping[UnitKey, tuple[int | bool | Line, ...]] = setting(
        "keys of the unit with other values, as in a drop-in: LimitNOFILE; Unit.After for another section; "
        "a list adds to the unit's, unless its first value is empty",
        dict,
        single=True,
        example={"LimitNOFILE": 65536},
    )
    environment: Mapping[VariableName, int | bool | Line] = setting(
        "environment variables of the unit", dict, example={"LANG": "de_DE.UTF-8"}
    )
    packages: tuple[Package, ...] | None = setting(
        "packages that it needs; of a unit, by default the package with the service's name if one exists",
        None,
        example=["nginx"],
    )
    reads: tuple[ReadGlob, ...] = setting(
        "files that it reads at its start, below /etc (nginx/*) or anywhere (/opt/app/*); if one changes, "
        "a switch restarts it. Those of a unit's package and command lines count by themselves",
        (),
        example=["nginx/*", "/opt/app/*"],
    )
    log: bool | None = setting(
        "log its output with svlogd, in /var/log/NAME; by default true for a unit, else false", None
    )

"""Services."""

from notos.config.setting import setting
from notos.config.structs.debian import Package
from notos.config.value_types import ReadGlob, ShellText, SourceFolder
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that runit keeps running."""

    run: ShellText | None = setting("its run script, a shell script that ends with exec", None)
    source: SourceFolder | None = setting("or a service folder: run, and optionally finish and others", None)
    packages: tuple[Package, ...] = setting("packages that it needs", ())
    reads: tuple[ReadGlob, ...] = setting(
        "files that it reads at its start, below /etc (nginx/*) or anywhere (/opt/app/*); if one changes, "
        "a switch restarts it",
        (),
        example=["nginx/*", "/opt/app/*"],
    )
    log: bool = setting("log its output with svlogd, in /var/log/NAME", False)

"""The archive that packages come from, and packages."""

from typing import ClassVar, Literal

from notos.config.setting import setting
from notos.config.value_types import ComponentName, Glob, PackageName, SuiteName, Url
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Debian:
    """The Debian archive that packages come from."""

    suite: SuiteName = setting("the release; its -updates and -security suites are always included", "trixie")
    tools_suite: Literal["auto"] | SuiteName = setting(
        "the release of the programs that the build runs, such as QEMU; auto: trixie",
        "auto",
    )
    mirror: Literal["auto"] | Url = setting(
        "the archive's URL; auto uses this host's mirror (hosts.md)", "auto"
    )
    security_mirror: Literal["auto"] | Url = setting(
        "the security archive's URL; auto chooses the one that matches `mirror`", "auto"
    )
    components: tuple[ComponentName, ...] = setting("components of the archive", lambda: ("main",))
    check_valid_until: bool = setting(
        "refuse an index after its Valid-Until date; false: for an archive with the state of a past day",
        True,
    )


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package, with a choice of its files and dependencies.

    In YAML: a bare name, or a map with one key, `python3: {closure: depends}`.
    """

    BARE: ClassVar = "name"  # the field that a bare word stands for
    KEYED: ClassVar = True  # the value of that field may also be the only key of a map

    name: PackageName = setting("the package's name")
    closure: Literal["elf", "depends"] | None = setting(
        "depends: include all its dependencies (default); elf: include only the libraries that its programs "
        "need (default with `only`, and in the initrd)",
        None,
        example="elf",
    )
    only: tuple[Glob, ...] = setting(
        "include only files that match one of these patterns (usr/bin/ssh-*)", ()
    )
    exclude: tuple[Glob, ...] = setting("leave out files that match one of these patterns", ())

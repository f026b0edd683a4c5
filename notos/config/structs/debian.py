"""The archive that packages come from, and packages."""

from typing import ClassVar, Literal

from notos.config.setting import setting
from notos.config.value_types import (
    ArchiveSuite,
    ComponentName,
    Debs,
    Glob,
    PackageName,
    PackagePattern,
    SourceFile,
    SourceUrl,
    SuiteName,
    Url,
)
from notos.structs import dataclass

# The defaults for `distribution: ubuntu`.
UBUNTU_COMPONENTS = (ComponentName("main"), ComponentName("universe"))
UBUNTU_KERNEL = PackageName("linux-image-virtual")


@dataclass(frozen=True, kw_only=True)
class PackageSource:
    """A further archive, or a further suite of the same one, which provides only the packages it names."""

    url: SourceUrl | None = setting(
        "the archive's URL; without it, the suites are the distribution's own, on its mirror and by its keys",
        None,
    )
    suites: tuple[ArchiveSuite, ...] = setting(
        "its suites; `./` or a folder with a slash at its end is a flat repository",
        single=True,
        example=["trixie-backports"],
    )
    components: tuple[ComponentName, ...] = setting("components of these suites", lambda: ("main",))
    key: SourceFile | None = setting(
        "with url: a file with the OpenPGP keys, one of which must have signed every index of this source",
        None,
    )
    packages: tuple[PackagePattern, ...] = setting(
        "names of the packages that it may provide; `*` matches any characters",
        single=True,
        example=["golang-*"],
    )
    pin: Literal["newest", "prefer", "fallback"] | int = setting(
        "the priority of its packages, as in apt_preferences(5): newest (500) competes by version, prefer "
        "(990) wins over any version of the distribution, fallback (100) is for packages that it lacks",
        "newest",
        minimum=1,
        maximum=1000,
    )
    check_valid_until: bool = setting(
        "refuse an index after its Valid-Until date, or one that is older than an earlier one", True
    )


@dataclass(frozen=True, kw_only=True)
class Debian:
    """The Debian archive that packages come from."""

    distribution: Literal["debian", "ubuntu"] = setting(
        "the distribution; for ubuntu, set suite and mirror too (howto/packages.md)", "debian"
    )
    suite: SuiteName = setting("the release; its -updates and -security suites are always included", "trixie")
    tools_suite: Literal["auto"] | SuiteName = setting(
        "the release of the programs that the build runs, such as QEMU; auto: trixie",
        "auto",
    )
    mirror: Literal["auto"] | Url = setting(
        "the archive's URL; auto uses this host's mirror (hosts.md)", "auto"
    )
    security_mirror: Literal["auto"] | Url = setting(
        "the security archive's URL; auto chooses the one that matches `mirror`, for ubuntu the same", "auto"
    )
    components: tuple[ComponentName, ...] = setting(
        "components of the archive; for ubuntu by default main and universe", lambda: ("main",)
    )
    sources: tuple[PackageSource, ...] = setting(
        "further archives and suites, each with the packages that it may provide",
        (),
        example=[{"suites": ["trixie-backports"], "packages": ["golang-*"]}],
    )
    check_valid_until: bool = setting(
        "refuse an index after its Valid-Until date; false: for an archive with the state of a past day",
        True,
    )


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package, with a choice of its files and dependencies.

    In YAML: a bare name, or a map with one key, `python3: {closure: depends}`, or `deb: FILE` with the same
    keys beside it. The loader replaces the last form by one value for each .deb, with its name.
    """

    BARE: ClassVar = "name"  # the field that a bare word stands for
    KEYED: ClassVar = True  # the value of that field may also be the only key of a map
    BESIDE: ClassVar = "deb"  # the field that may be written in place of that one, beside the others

    name: PackageName = setting("the package's name")
    deb: Debs | None = setting(
        "in place of the name: a .deb file, a folder of them or a pattern (`debs/*.deb`), relative to the "
        "config; names and dependencies are in the files",
        None,
    )
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

"""Settings for compiling on this host, and the programs that are built for the machine."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from notos.config.setting import setting
from notos.config.structs.debian import Package
from notos.config.value_types import (
    AbsolutePath,
    BuildPath,
    CacheSize,
    EnvironmentName,
    Glob,
    Line,
    ScriptName,
    ShellText,
    SourceTree,
)
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Ccache:
    """The compiler cache, shared by all checkouts."""

    enable: bool = setting("compile with ccache", True)
    size: CacheSize = setting("its maximum size", CacheSize("5G"))
    remote_storage: Line | None = setting("a cache shared by several hosts, in ccache's own syntax", None)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program of yours, built in a sandbox without a network."""

    source: SourceTree = setting("the folder with its source; . is the folder of the config")
    exclude: tuple[Glob, ...] = setting(
        "leave out names (*.log) or paths in the folder (doc/*) that match one of these", ()
    )
    packages: tuple[Package, ...] = setting("packages that only the build needs, such as compilers", ())
    needs: tuple[Package, ...] = setting("packages that it needs in the machine", ())
    run: ShellText | None = setting(
        "the build: a shell script that stops at the first failure; by default, that of its language",
        None,
    )
    install: Mapping[AbsolutePath, BuildPath] = setting(
        "files and folders for the machine: paths below /usr, /opt or /srv, and where the build has them",
        dict,
        example={"/usr/bin/app": "app"},
    )
    timeout: int = setting(
        "seconds after which the build is ended and has failed", 3600, minimum=1, maximum=86400, example=60
    )


@dataclass(frozen=True, kw_only=True)
class Build:
    """Programs that are built for the machine, and settings for compiling, which change no output."""

    REST: ClassVar = "programs"

    jobs: int | None = setting(
        "number of parallel compilers; without it, one per processor", None, minimum=1, maximum=1024
    )
    ccache: Ccache = setting("the compiler cache", Ccache)
    compiler_prefix: Literal["none", "distcc", "icecc"] = setting(
        "a program that distributes compiling over several hosts", "none"
    )
    environment: Mapping[EnvironmentName, Line] = setting(
        "environment variables of these programs, such as DISTCC_HOSTS",
        dict,
        example={"DISTCC_HOSTS": "localhost"},
    )
    programs: Mapping[ScriptName, Program] = setting(
        "a program of yours, built from its source (howto/programs.md)",
        dict,
        example={"app": {"source": "."}},
    )

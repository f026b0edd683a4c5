"""Settings for compiling on this host."""

from collections.abc import Mapping
from typing import Literal

from notos.config.setting import setting
from notos.config.value_types import CacheSize, EnvironmentName, Line
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Ccache:
    """The compiler cache, shared by all checkouts."""

    enable: bool = setting("compile with ccache", True)
    size: CacheSize = setting("its maximum size", CacheSize("5G"))
    remote_storage: Line | None = setting("a cache shared by several hosts, in ccache's own syntax", None)


@dataclass(frozen=True, kw_only=True)
class Build:
    """Settings for compiling on this host; none of them changes the output."""

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

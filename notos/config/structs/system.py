"""The contents of /usr and /etc."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from notos.config.setting import setting
from notos.config.structs.debian import Package
from notos.config.value_types import (
    AccountName,
    FileKind,
    FileMode,
    Glob,
    LinkTarget,
    Mode,
    ScriptName,
    ShellText,
    Source,
    SourceFile,
)
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class SystemScript:
    """A script that changes the system while it is built."""

    BARE: ClassVar = "run"

    run: ShellText = setting("the script; without #! it is a shell script that stops at the first failure")
    packages: tuple[Package, ...] = setting("packages that only the script needs, such as compilers", ())
    timeout: int = setting(
        "seconds after which it is ended and has failed", 600, minimum=1, maximum=86400, example=60
    )


@dataclass(frozen=True, kw_only=True)
class System:
    """The contents of the machine's /usr."""

    packages: tuple[Package, ...] = setting("Debian packages, in addition to those of enabled features", ())
    compression: Literal["zstd", "none"] = setting(
        "compression of root.squashfs; with none the image is larger and an emulated machine boots faster",
        "zstd",
    )
    keep: tuple[FileKind, ...] = setting(
        "kinds of files to keep, which are left out unless a package that uses them is installed", ()
    )
    scripts: Mapping[ScriptName, SystemScript] = setting(
        "your scripts that change the system while it is built, in this order",
        dict,
        example={"schemas": "glib-compile-schemas /usr/share/glib-2.0/schemas"},
    )


@dataclass(frozen=True, kw_only=True)
class EtcFile:
    """A file in /etc."""

    text: str | None = setting("its contents", None)
    source: SourceFile | None = setting("or a file to copy", None)
    mode: FileMode = setting("its mode in octal, quoted", FileMode("0644"))


@dataclass(frozen=True, kw_only=True)
class PlacedFile:
    """A file, a folder or a link anywhere in the machine."""

    text: str | None = setting("its contents", None)
    source: Source | None = setting("or a file or folder to copy", None)
    link: LinkTarget | None = setting("or the target of a symbolic link", None)
    exclude: tuple[Glob, ...] = setting(
        "with a folder: leave out names (.git, *.pyc) or paths in it (doc/*) that match one of these", ()
    )
    mode: Mode | None = setting(
        "its mode in octal, quoted; without it, 0755 for programs and folders and 0644 for other files", None
    )
    owner: AccountName = setting("its owner", AccountName("root"))
    group: AccountName | None = setting("its group; without it, that of the owner", None)

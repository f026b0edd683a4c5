"""The contents of /usr and /etc."""

from typing import Literal

from notos.config.setting import setting
from notos.config.structs.debian import Package
from notos.config.value_types import FileKind, FileMode, SourceFile
from notos.structs import dataclass


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


@dataclass(frozen=True, kw_only=True)
class EtcFile:
    """A file in /etc."""

    text: str | None = setting("its contents", None)
    source: SourceFile | None = setting("or a file to copy", None)
    mode: FileMode = setting("its mode in octal, quoted", FileMode("0644"))

"""The files that a boot loader or a boot server wants, with their hashes."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from notos.config.model import KernelParam, Machine, setting
from notos.outputs.model import Inputs, Output


@dataclass(frozen=True)
class Settings:
    """Settings of the output."""

    params: tuple[KernelParam, ...] = setting("more words for the kernel's command line", ())


def outputs(machine: Machine, settings: Settings) -> list[Output]:
    """Return the output: `./doit boot-files` makes it."""
    return [
        Output(
            name="boot-files",
            doc="copy kernel, initrd and root with their hashes",
            files=("vmlinuz", "initrd", "root.squashfs", "cmdline", "SHA256SUMS"),
            needs=("vmlinuz", "initrd", "root.squashfs", "command_line"),
            write=write,
            arguments={"params": settings.params},
        )
    ]


def write(inputs: Inputs, folder: Path, params: tuple[str, ...]) -> None:
    """Write the files to `folder`."""
    for path in (inputs.vmlinuz, inputs.initrd, inputs.squashfs):
        shutil.copyfile(path, folder / path.name)
    (folder / "cmdline").write_text(" ".join([inputs.command_line, *params]) + "\n")
    lines = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            lines.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {path.name}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))

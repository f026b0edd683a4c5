"""dpkg as a judge: packages built by dpkg-deb and unpacked into a root by dpkg, with no privilege."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from notos.errors import ToolError
from notos.process import run
from tests.conftest import Tool

CONTROL = "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: X <x@y.example>\n{more}"
ALIASED = ("bin", "sbin", "lib", "lib64")


class Dpkg:
    """dpkg of a tools tree. It calls programs by name; they come from the same tree, by way of scripts."""

    def __init__(self, tool: Tool, folder: Path) -> None:
        self._tool = tool
        scripts = folder / "programs"
        scripts.mkdir(parents=True)
        busybox = tool("busybox")
        programs = {name: [*busybox, name] for name in ("rm", "sh", "diff", "true")}
        programs |= {name: tool(name) for name in ("tar", "dpkg-deb", "dpkg-split")}
        programs |= {name: [*busybox, "true"] for name in ("ldconfig", "start-stop-daemon")}
        for name, words in programs.items():
            (scripts / name).write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
            (scripts / name).chmod(0o755)
        self._environment = {"PATH": str(scripts), "LC_ALL": "C.UTF-8"}

    def deb(self, *words: str | Path) -> bytes:
        """Run dpkg-deb. Raises ToolError."""
        return run([*self._tool("dpkg-deb"), *words], env=self._environment)

    def build(self, path: Path, files: Mapping[str, bytes | str | None], more: str = "") -> Path:
        """Build a package whose files are contents, targets of links (str) or folders (None) by path."""
        folder = path.with_suffix("")
        (folder / "DEBIAN").mkdir(parents=True)
        text = CONTROL.format(name=path.stem, version="1", more=more) + "Description: for a test\n"
        (folder / "DEBIAN/control").write_text(text)
        for name, content in files.items():
            place = folder / name
            (place if content is None else place.parent).mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                place.symlink_to(content)
            elif content is not None:
                place.write_bytes(content)
        self.deb("--root-owner-group", "-Znone", "--build", folder, path)
        return path

    def unpack(self, root: Path, debs: Sequence[Path]) -> str:
        """Unpack `debs` in this order below `root`; return the error, "" if dpkg accepts them all."""
        database = root / "var/lib/dpkg"
        database.mkdir(parents=True)
        for name in ("status", "available"):
            (database / name).touch()
        for each in ALIASED:
            (root / "usr" / each).mkdir(parents=True, exist_ok=True)
            (root / each).symlink_to(f"usr/{each}")
        options = ["--force-not-root", "--force-depends", "--force-unsafe-io", f"--root={root}"]
        try:
            for deb in debs:
                run([*self._tool("dpkg"), *options, "--unpack", deb], env=self._environment)
        except ToolError as error:
            return str(error)
        return ""

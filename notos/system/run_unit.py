"""run-unit, the static C program that runs a translated unit below runsv, compiled for the machine.

The compiler (cc1), the assembler and the linker run in a sandbox, over the files of runit/run-unit and musl:
no path of this host is in the result, which is the same everywhere. The result is kept in the cache:

    <cache>/compiled/ab/abcdef…    the program, by a hash of its sources, options and tools
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from notos import atomic
from notos.architecture import Architecture
from notos.cache import Cache
from notos.errors import ToolError
from notos.formats.tree import Tree
from notos.process import run
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

NAME = "run-unit"
_SOURCE, _OUTPUT = "/source", "/build"
# glibc's headers are not musl's. One section for each function, so that the linker drops unused ones.
OPTIONS = (
    *("-quiet", "-std=c11", "-D_GNU_SOURCE", "-nostdinc", "-Os", "-fno-pie", "-fno-stack-protector"),
    *("-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables", "-fno-ident"),
    *(
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Wformat=2",
        "-Wno-format-nonliteral",
        "-Wno-unused-parameter",
        "-Werror",
    ),
)
_LINK = ("-static", "-s", "--gc-sections", "--build-id=none", "-z", "noseparate-code", "--fatal-warnings")


def key(source: Path, tools: str) -> str:
    """Return the key of the program in the cache: 64 hex digits. `tools` is the key of the tools tree."""
    hasher = hashlib.sha256(" ".join([tools, *OPTIONS, *_LINK]).encode())
    for path in sorted(source.iterdir()):
        if path.suffix in (".c", ".h"):
            data = path.read_bytes()
            hasher.update(f"\n{path.name} {len(data)}\n".encode() + data)
    return hasher.hexdigest()


def compiled(cache: Cache, source: Path, tools: ToolsTree, tools_key: str, *, target: Architecture) -> Tree:
    """Return the tree of the store object run-unit; compile the program if the cache lacks it.

    `source` is the folder of the C files. Raises ToolError with the compiler's messages, or if the tools
    are not of the architecture `target` of the machine.
    """
    if tools.build != target:
        raise ToolError(
            f"run-unit is compiled only on a host of the machine's architecture, {target.title}; this is "
            f"{tools.build.title}",
            hint="build machines with systemd units on such a host",
        )
    path = cache.compiled(key(source, tools_key))
    if not path.exists():
        data = compile_(source, tools)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, data)
    tree = Tree()
    tree.file(NAME, path.read_bytes(), executable=True)
    return tree


def compile_(source: Path, tools: ToolsTree, options: Sequence[str] = ()) -> bytes:
    """Return the program made of the C files in `source`. Raises ToolError with the compiler's messages."""
    gnu = tools.build.gnu
    musl = gnu.rpartition("-")[0] + "-musl"
    includes = [f"/usr/include/{musl}", f"/usr/include/{gnu}", "/usr/include"]
    isystem = [word for each in includes for word in ("-isystem", each)]
    compiler = _compiler(tools)
    units = sorted(path.stem for path in source.glob("*.c"))
    with tempfile.TemporaryDirectory(prefix="notos-run-unit-") as folder:
        box = Sandbox(
            tools, readable={_SOURCE: source.resolve()}, writable={_OUTPUT: Path(folder)}, folder=_OUTPUT
        )
        box.prove([f"/usr/bin/{gnu}-as", "--version"])

        def unit(name: str) -> None:
            words = [*OPTIONS, *options, *isystem, f"{_SOURCE}/{name}.c", "-o", f"{name}.s"]
            run(box.command([compiler, *words]))
            run(box.command([f"/usr/bin/{gnu}-as", f"{name}.s", "-o", f"{name}.o"]))

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(unit, units))
        library = f"/usr/lib/{musl}"
        parts = [f"{library}/crt1.o", f"{library}/crti.o", *(f"{each}.o" for each in units)]
        words = [*_LINK, *parts, f"{library}/libc.a", f"{library}/crtn.o", "-o", NAME]
        run(box.command([f"/usr/bin/{gnu}-ld.bfd", *words]))
        return Path(folder, NAME).read_bytes()


def _compiler(tools: ToolsTree) -> str:
    """Return the path of gcc's cc1 in the sandbox. Raises ToolError if the tree lacks it."""
    for folder in ("libexec", "lib"):
        for path in sorted(tools.root.glob(f"usr/{folder}/gcc/{tools.build.gnu}/*/cc1"), reverse=True):
            return f"/{path.relative_to(tools.root)}"
    raise ToolError(f"no cc1 in the tools tree {tools.root}", hint="remove that folder and build again")

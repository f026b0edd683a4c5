"""Kbuild: a kernel's own makefiles, run in a sandbox with locked tools.

    /source     the kernel's source, read-only
    /build      the output, kept so that the next build is incremental
    /wrap/gcc   ccache, distcc or icecc in gcc's place; commands still call it gcc

The output does not depend on this host: user, host name, time and paths are the same everywhere
(Documentation/kbuild/reproducible-builds.rst of the kernel).
"""

import ctypes
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos.architecture import Architecture
from notos.config.model import Build
from notos.errors import KernelError
from notos.formats.tree import Tree
from notos.kernel.progress import Plan
from notos.process import at_terminal, follow, run
from notos.toolchain.sandbox import PATH, Sandbox
from notos.toolchain.tools_tree import ToolsTree

KEY = "/key.pem"  # path in the sandbox of the key that signs modules
_WRAP = "/wrap"
_COMPILED = re.compile(r"^  (?:CC|AS)\s(?:\[M\])?\s+(\S+\.o)$")
_STEP = re.compile(r"^  [A-Z][A-Z0-9_]*\s+(?:\[M\])?\s*\S+")
_FAILED = re.compile(r"^make(?:\[\d+\])?: \*\*\* ")
_MOST_SHOWN = 12
_BOOT = Path("/proc/sys/kernel/random/boot_id")

Progress = Callable[[int, int, str], None]
"""A callback with the number of compiled files, the total, and the file that is being compiled."""


@dataclass(frozen=True)
class Kbuild:
    """One kernel: its source and output folders, and how this host compiles.

    `identity` names source and tools; an `output` made with other ones is not reused.
    """

    identity: str
    tools: ToolsTree
    source: Path
    output: Path
    ccache: Path
    build: Build
    target: Architecture
    signing_key: Path | None = None

    @property
    def _environment(self) -> dict[str, str]:
        made = time.gmtime((self.source / "Makefile").stat().st_mtime)
        return {
            "ARCH": self.target.kernel_arch,
            "KBUILD_BUILD_USER": "notos",
            "KBUILD_BUILD_HOST": "notos",
            "KBUILD_BUILD_VERSION": "1",
            "KBUILD_BUILD_TIMESTAMP": time.strftime("%Y-%m-%d %H:%M:%S UTC", made),
            "TZ": "UTC",
        }

    def _sandbox(self, *, compiler: Mapping[str, str] | None = None, terminal: bool = False) -> Sandbox:
        readable = {"/source": self.source}
        if self.signing_key is not None:
            readable[KEY] = self.signing_key
        writable = {"/build": self.output}
        environment = self._environment | dict(compiler or {})
        if self._caching:
            self.ccache.mkdir(parents=True, exist_ok=True)
            writable["/ccache"] = self.ccache
        wrapper = self._wrapper if compiler is not None else None
        if wrapper:
            environment["PATH"] = f"{_WRAP}:{PATH}"
        return Sandbox(
            self.tools,
            readable=readable,
            writable=writable,
            links={f"{_WRAP}/gcc": f"/usr/bin/{wrapper}"} if wrapper else {},
            environment=environment,
            folder="/build",
            network=self._network,
            terminal=terminal,
        )

    @property
    def _caching(self) -> bool:
        return self.build.ccache.enable and not os.environ.get("CCACHE_DISABLE")

    @property
    def _network(self) -> bool:
        shared = self._caching and self.build.ccache.remote_storage is not None
        return shared or self.build.compiler_prefix != "none"

    @property
    def _wrapper(self) -> str:
        """The program in gcc's place; "" for none."""
        prefix = self.build.compiler_prefix
        return "ccache" if self._caching else prefix if prefix != "none" else ""

    def _compiler(self) -> dict[str, str]:
        """Return the environment variables of the program in gcc's place.

        Raises ToolError if sandboxes do not work on this host.
        """
        bare = Sandbox(self.tools)
        bare.prove()
        variables: dict[str, str] = {str(name): value for name, value in self.build.environment.items()}
        prefix = self.build.compiler_prefix
        if not self._caching:
            return variables
        # Hosts may share the cache, so identify the compiler by its version texts, not by its mtime.
        versions = run(bare.command(["sh", "-c", "gcc -v 2>&1; as --version; ld --version"]))
        variables |= {
            "CCACHE_DIR": "/ccache",
            "CCACHE_MAXSIZE": self.build.ccache.size,
            "CCACHE_COMPILERCHECK": f"string:{hashlib.sha256(versions).hexdigest()}",
            # Read a file's includes from the compiler's .d file: a separate run of the preprocessor
            # makes a cold build 50 % slower.
            "CCACHE_DEPEND": "true",
            "CCACHE_SLOPPINESS": "include_file_ctime,include_file_mtime,time_macros",
            "CCACHE_TEMPDIR": "/ccache/tmp",
        }
        if self.build.ccache.remote_storage is not None:
            variables["CCACHE_REMOTE_STORAGE"] = self.build.ccache.remote_storage
        if prefix != "none":
            variables["CCACHE_PREFIX"] = prefix
        return variables

    def resolve(self, base: str | bytes, lines: Sequence[str]) -> str:
        """Return the .config that results from `base` (a make target or a file's bytes) and then `lines`.

        Raises ToolError.
        """
        Sandbox(self.tools).prove()
        self._prepare()
        target = self.output / ".notos" / "config"
        if isinstance(base, str):
            base = self._base(base)
        target.write_bytes(base + "".join(f"{line}\n" for line in ["", *lines]).encode())
        self._configure(["olddefconfig"])
        return target.read_text()

    def _base(self, name: str) -> bytes:
        """Return the configuration of the make target `name`, which takes seconds and is kept."""
        kept = self.output / ".notos" / name
        if not kept.exists():
            target = self.output / ".notos" / "config"
            target.unlink(missing_ok=True)
            self._configure([name])
            target.replace(kept)
        return kept.read_bytes()

    def _configure(self, words: Sequence[str]) -> None:
        sandbox = self._sandbox()
        run(sandbox.command([*self._make, "-s", "KCONFIG_CONFIG=/build/.notos/config", *words]))

    def edit(self, config: str) -> tuple[str, str, str]:
        """Run the kernel's menuconfig for `config` on this terminal.

        Return the minimal configuration (savedefconfig) before and after, and the full one after. Raises
        KernelError if menuconfig fails, ToolError.
        """
        target = self.output / ".notos" / "config"
        self._prepare()
        target.write_text(config)
        before = self._minimal()
        sandbox = self._sandbox(terminal=True)
        taken = [f"{name}={os.environ[name]}" for name in ("TERM", "MENUCONFIG_COLOR") if name in os.environ]
        # With parallel jobs make gives the terminal to only one of them, which may not be the menu.
        words = ["env", *taken, *self._make, "-s", "-j1", "KCONFIG_CONFIG=/build/.notos/config", "menuconfig"]
        status = at_terminal(sandbox.command(words))
        if status:
            raise KernelError(f"menuconfig ended with status {status}", hint="see its output above")
        return before, self._minimal(), target.read_text()

    def _minimal(self) -> str:
        self._configure(["savedefconfig"])
        return (self.output / "defconfig").read_text()

    @property
    def _jobs(self) -> int:
        return self.build.jobs or len(os.sched_getaffinity(0))

    @property
    def _make(self) -> list[str]:
        # Compile host programs directly: they are few, and distcc preprocesses, which removes the comments
        # that silence their warnings.
        host_compiler = "HOSTCC=/usr/bin/gcc"
        return ["make", "--no-print-directory", f"-j{self._jobs}", "-C", "/source", "O=/build", host_compiler]

    def compile(self, config: str, log: Path, progress: Progress) -> Tree:
        """Compile the kernel configured by `config` into a tree of vmlinuz, config and lib/modules/RELEASE.

        The output of make goes to `log`. Raises KernelError with the compiler's message, ToolError.
        """
        self._prepare()
        compiler = self._compiler()
        target = self.output / ".config"
        if not target.exists() or target.read_text() != config:
            target.write_text(config)
        plan = Plan(self.source, self.output, config, self.target)
        done: set[str] = set()
        total = plan.total

        def count_compiled(line: str) -> None:
            if (match := _COMPILED.match(line)) and match[1] not in done:
                done.add(match[1])
                progress(len(done), max(total, len(done)), match[1])

        mark = self.output / ".notos" / "at-work"
        mark.write_text(_BOOT.read_text())
        sandbox = self._sandbox(compiler=compiler)
        status = follow(sandbox.command([*self._make, "all"]), log, count_compiled)
        if status:
            raise KernelError(_failure(log, status), hint=f"the full output is in {log}")
        tree = self._installed()
        plan.note()
        _sync(self.output)
        mark.unlink()
        return tree

    def _prepare(self) -> None:
        """Keep an output folder made with the same source and tools, else start with an empty one.

        Make compares mtimes, which mean nothing between two sources. After a crash of the host, files
        written just before it may be incomplete, so such a folder is not kept either.
        """
        kept = self.output / ".notos" / "identity"
        mark = self.output / ".notos" / "at-work"
        crashed = mark.exists() and mark.read_text() != _BOOT.read_text()
        if self.output.exists() and (crashed or not kept.exists() or kept.read_text() != self.identity):
            shutil.rmtree(self.output)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(self.identity)

    def _installed(self) -> Tree:
        """Return the tree of vmlinuz, config and modules from the output folder."""
        tree = Tree()
        tree.file("vmlinuz", (self.output / self.target.kernel_image).read_bytes())
        tree.file("config", (self.output / ".config").read_bytes())
        release = (self.output / "include/config/kernel.release").read_text().strip()
        top = f"lib/modules/{release}"
        tree.directory(top)
        place = self.output / ".notos" / "modules"
        shutil.rmtree(place, ignore_errors=True)
        if "CONFIG_MODULES=y\n" in (self.output / ".config").read_text():
            words = [
                *self._make,
                "-s",
                "INSTALL_MOD_PATH=/build/.notos/modules",
                "INSTALL_MOD_STRIP=1",
                "DEPMOD=true",
            ]
            run(self._sandbox().command([*words, "modules_install"]))
            for path, entry in Tree.from_directory(place / top).items():
                if path not in ("build", "source"):
                    tree.add(f"{top}/{path}", entry)
        else:
            for name in ("modules.builtin", "modules.builtin.modinfo"):
                tree.file(f"{top}/{name}", (self.output / name).read_bytes())
            tree.file(f"{top}/modules.order", b"")
        return tree


def _sync(folder: Path) -> None:
    """Flush the whole file system of `folder` to its disk (syncfs(2))."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        ctypes.CDLL(None).syncfs(handle)
    finally:
        os.close(handle)


def _failure(log: Path, status: int) -> str:
    """Return an error text: make's `status` and, from its `log`, the output of the program that failed."""
    lines = log.read_text(errors="replace").splitlines()
    first = next((number for number, line in enumerate(lines) if _FAILED.match(line)), len(lines))
    reversed_output: list[str] = []
    for line in reversed(lines[:first]):
        if _STEP.match(line) and reversed_output:
            break
        if not _STEP.match(line):
            reversed_output.append(line)
    output = reversed_output[::-1]
    # Prefer the first error, with two lines of context, to later warnings.
    error = next((number for number, line in enumerate(output) if "rror" in line or "undefined" in line), 0)
    start = max(0, error - 2) if len(output) > _MOST_SHOWN else 0
    shown = output[start : start + _MOST_SHOWN] or lines[-3:]
    rule = lines[first : first + 1]
    return "\n".join(
        [f"the kernel does not compile (make: status {status})", *("  | " + each for each in [*shown, *rule])]
    )

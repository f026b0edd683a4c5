"""The files of built programs (`build`), as members of the machine's trees, and what is wrong with them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from notos.architecture import Architecture
from notos.errors import ClosureError, NotosError
from notos.features.model import Removal
from notos.formats.shared_libraries import missing
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.system import usr
from notos.system.programs import missing_interpreter
from notos.system.state import Member

# Programs that a user or a service starts by name. Other scripts may be examples, or for other systems.
_STARTED = re.compile(r"(?:.*/)?s?bin/[^/]+")
# Of another C library: packages of npm have files for several systems.
_FOREIGN = "libc.musl-"
_SHOWN = 3  # files in a message


def members(name: str, tree: Tree, removed: Iterable[Removal] = ()) -> Iterator[Member]:
    """Yield the files of the program `name`, whose tree is `tree`, without those that the config removes."""
    patterns = [each.path for each in removed]
    for path, entry in tree.items():
        if path in ("usr", "opt", "srv") or usr.is_below(f"/{path}", patterns):
            continue
        if isinstance(entry, Symlink):
            mode = "0777"
        else:
            mode = "0755" if isinstance(entry, Directory) or _is_executable(entry) else "0644"
        yield Member(f"/{path}", entry, mode, keys=("build", name))


def _is_executable(entry: object) -> bool:
    return isinstance(entry, File) and entry.executable


def conflicts(
    programs: Iterable[Member], packaged: Callable[[str], bool], others: Mapping[str, tuple[str, ...]]
) -> Iterator[NotosError]:
    """Yield an error for each file of a program whose path has another file.

    `packaged` returns True for an absolute path that a package has, `others` has the keys of the config's
    other files.
    """
    taken = dict(others)
    for each in programs:
        if isinstance(each.entry, Directory):
            continue
        name, other = ".".join(each.keys), taken.setdefault(each.path, each.keys)
        if other != each.keys:
            message = f"{name} and {'.'.join(other)} both make {each.path}"
            yield NotosError(message, hint="leave one out", keys=each.keys)
        elif packaged(each.path):
            message = f"{name} makes {each.path}, which a package has too"
            yield NotosError(message, hint="rename it, or add the package's path to `remove`", keys=each.keys)


def _own_interpreter(data: bytes, root: Tree) -> str:
    """Return the interpreter below /opt that a script names if `root` lacks it, else ""."""
    words = data.partition(b"\n")[0][2:].decode(errors="replace").split()
    path = words[0] if words else ""
    return path if path.startswith("/opt/") and root.resolve(path.lstrip("/")) is None else ""


def lacking(
    programs: Iterable[Member], root: Tree, target: Architecture, provider: Callable[[str, str], str]
) -> Iterator[NotosError]:
    """Yield an error for each library and each interpreter that programs need and the machine lacks.

    `root` is the machine's tree. `provider` returns the package of a program's build that has a library, ""
    if none has it; its arguments are the name of the program and that of the library.
    """
    keys = {each.path.lstrip("/"): each.keys for each in programs if isinstance(each.entry, File)}
    found: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for each in missing(root, keys, target):
        if not each.soname.startswith(_FOREIGN):
            found.setdefault((keys[each.path], each.soname), []).append(each.path)
    for (of, soname), paths in found.items():
        package = provider(of[-1], soname)
        hint = f"add {package or 'the package with it'} to build.{of[-1]}.needs"
        if not package:
            hint += ", or the file to `remove`"
        named = ", ".join(f"/{path}" for path in paths[:_SHOWN])
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        message = f"{'.'.join(of)}: the machine lacks {soname}, which {named}{more} need"
        yield ClosureError(message if len(paths) > 1 else f"{message}s", hint=hint, keys=of)
    for path, of in keys.items():
        entry = root.get(path)
        if not isinstance(entry, File) or not entry.executable or not _STARTED.fullmatch(path):
            continue
        data = entry.read()
        if data.startswith(b"#!") and (
            lacks := _own_interpreter(data, root) or missing_interpreter(data, root)
        ):
            message = f"{'.'.join(of)}: the machine lacks {lacks}, which starts /{path}"
            yield ClosureError(message, hint=f"add its package to build.{of[-1]}.needs", keys=of)

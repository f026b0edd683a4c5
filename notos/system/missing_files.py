"""Check the files of all packages: missing libraries and interpreters, and links that lead nowhere.

Errors are about files that certainly do not work: a program or a public library without a library, a program
that is a link to nothing. Everything else may be an optional part, such as a plugin of zsh for curses, whose
library Debian only recommends, or a script for perl or bash, on which no package depends because every Debian
system has them (policy 3.5): it is a note.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from notos.architecture import Architecture
from notos.debian.unpack import Unpack
from notos.errors import ClosureError
from notos.formats.shared_libraries import Missing, Survey, is_plugin
from notos.formats.tree import File, Symlink, Tree
from notos.formats.usr_merge import ALIASED
from notos.system.programs import missing_interpreter

_PROGRAMS = ("usr/bin/", "usr/sbin/", "usr/games/", "usr/libexec/")
# Folders whose files exist only in the running machine, or come from the config.
_LATER = ("dev", "etc", "home", "nix", "opt", "proc", "root", "run", "srv", "sys", "tmp", "var")
_DEBUG = "usr/lib/debug/"  # names of programs for debuggers, also of those that are in other packages
_SHOWN = 2  # files of a package in one message
_LISTED = 3  # scripts for an interpreter in one message
# Interpreters in packages of their name that every Debian system has, or almost every one.
_ESSENTIAL = ("bash", "perl", "python3")
# Tools of Debian's administration whose work is done while the system is built.
_NOT_USED = ("usr/sbin/pam-auth-update", "usr/sbin/pam_getenv", "usr/bin/c_rehash")

Rows = Iterable[tuple[str, str]]  # packages and texts about their files


class Check:
    """The check of the tree of all packages.

    `owners` has the package of each path, `debs` are all packages, `survey` is the survey of the libraries,
    `applets` are the paths of links to busybox that system-path adds.
    """

    def __init__(
        self,
        tree: Tree,
        survey: Survey,
        target: Architecture,
        *,
        owners: Mapping[str, str],
        debs: Iterable[Unpack],
        applets: Iterable[str] = (),
    ) -> None:
        self._tree = tree
        self._survey = survey
        self._target = target
        self._owners = owners
        self._requested = {each.package: each.by or each.package for each in debs}
        self._dangling = list(_dangling(tree))
        self._applets = {path.rpartition("/")[2] for path in applets}

    def errors(self) -> Iterator[ClosureError]:
        """Yield an error for each package with files that cannot work."""
        for package, text in _by_package(self._lacking(plugins=False), _SHOWN):
            yield ClosureError(
                f"the package {package} lacks libraries: {text}",
                hint=f"write {package}: {{closure: depends}}, add the package that has the library, or leave "
                "the file out with `exclude`",
                package=self._requested.get(package, package),
            )
        for package, text in _by_package(self._unreachable(), _SHOWN):
            yield ClosureError(
                f"the package {package} lacks libraries where ld.so(8) searches: {text}",
                hint="choose an alternative for the library, or leave the file out with `exclude`",
                package=self._requested.get(package, package),
            )
        for package, text in _by_package(self._links(programs=True), _SHOWN):
            yield ClosureError(
                f"the package {package} has programs that are links to missing files: {text}",
                hint=f"write {package}: {{closure: depends}}, or add the package that has the file",
                package=self._requested.get(package, package),
            )

    def notes(self) -> Iterator[str]:
        """Yield a line for each package with files that may not work."""
        rows = [*self._lacking(plugins=True), *self._links(programs=False)]
        for package, text in _by_package(rows, 1):
            yield f"optional parts of {package} lack files: {text}"
        for program, found in groupby(sorted(self._scripts()), key=lambda row: row[0]):
            scripts = [script for _, script in found]
            more = f" and {len(scripts) - _LISTED} more" if len(scripts) > _LISTED else ""
            package = program.rpartition("/")[2]
            advice = f"; add the package {package} if you use them" if package in _ESSENTIAL else ""
            yield f"no package has {program} for {', '.join(scripts[:_LISTED])}{more}{advice}"

    def _lacking(self, *, plugins: bool) -> Rows:
        for each in self._survey.problems:
            if is_plugin(each.path, self._target) is plugins:
                yield self._owner(each.path), f"/{each.path} needs {each.soname}"

    def _unreachable(self) -> Rows:
        for each, place in self._survey.distant:
            if not self._is_loaded(each, place):
                has = f"which {self._owner(place)} has at /{place}"
                yield self._owner(each.path), f"/{each.path} needs {each.soname}, {has}"

    def _is_loaded(self, need: Missing, place: str) -> bool:
        """Return True if a program may have loaded the library at `place` before a plugin needs it.

        The library is in a folder that ld.so does not search by default. Programs of its own package, and
        those with its folder in DT_RUNPATH, find it.
        """
        folder, owner = place.rpartition("/")[0], self._owner(place)
        return (
            owner == self._owner(need.path)
            or folder in self._survey.run_paths
            or any(path.startswith(_PROGRAMS) and name == owner for path, name in self._owners.items())
        )

    def _links(self, *, programs: bool) -> Rows:
        for path, target in self._dangling:
            if path.startswith(_PROGRAMS) is programs:
                yield self._owner(path), f"/{path} -> {target}"

    def _scripts(self) -> Rows:
        """Yield interpreters that are missing, and the scripts for them with their packages."""
        for path, entry in self._tree.items():
            if not path.startswith(_PROGRAMS) or not isinstance(entry, File) or not entry.executable:
                continue
            if path in _NOT_USED:
                continue
            start = next(entry.chunks(), b"")
            if not start.startswith(b"#!"):
                continue
            program = missing_interpreter(start, self._tree)
            if program and program.rpartition("/")[2] not in self._applets:
                yield (
                    program if program.startswith("/") else f"/usr/bin/{program}",
                    f"/{path} of {self._owner(path)}",
                )

    def _owner(self, path: str) -> str:
        return self._owners.get(path, "")


def _by_package(rows: Rows, count: int) -> Iterator[tuple[str, str]]:
    """Yield each package with at most `count` of its texts."""
    for package, found in groupby(sorted(set(rows)), key=lambda row: row[0]):
        texts = sorted((text for _, text in found), key=lambda text: " needs " not in text)
        more = f" and {len(texts) - count} more" if len(texts) > count else ""
        yield package, "; ".join(texts[:count]) + more


def _dangling(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the links that lead nowhere, with their targets, except those to folders in _LATER."""
    for path, entry in tree.items():
        if isinstance(entry, Symlink) and not path.startswith(_DEBUG):
            end = _end(tree, path)
            if end is not None and end.partition("/")[0] not in _LATER:
                yield path, entry.target


def _end(tree: Tree, path: str) -> str | None:
    """Return the path that is missing on the way of the link `path`; None if the link leads somewhere."""
    pending = path.split("/")[::-1]
    done: list[str] = []
    hops = 0
    while pending:
        part = pending.pop()
        if part == "..":
            done = done[:-1]
            continue
        if part in ("", "."):
            continue
        if not done and part in ALIASED:
            done = ["usr"]
        here = "/".join([*done, part])
        entry = tree.get(here)
        if isinstance(entry, Symlink):
            hops += 1
            if hops > 40:
                return here
            if entry.target.startswith("/"):
                done = []
            pending.extend(entry.target.split("/")[::-1])
        elif entry is None or (isinstance(entry, File) and pending):
            return here
        else:
            done.append(part)
    return None

"""The build of a program in a sandbox, and its result as a tree.

    /source      a writable copy of the source, where the build starts
    /result      $DESTDIR; /opt is /result/opt
    /deps        the locked dependencies, read-only
    /root, /tmp  empty and writable

The sandbox has no network, one user (root, without special rights), and a clock that starts at EPOCH. A build
runs once: `./doit check-reproducible` compares it with one in another place.
"""

import hashlib
import json
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from notos import atomic, errors
from notos.atomic import remove_folder
from notos.config.model import AbsolutePath, BuildPath
from notos.errors import NotosError, PackageError, ToolError
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.process import follow
from notos.programs import inside, source
from notos.programs.kinds import failed, wrong_destination
from notos.toolchain import fixed_clock
from notos.toolchain.fixed_clock import EPOCH
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

_FORMAT = 1  # change it when the same inputs give another result
_LAST_LINES = 20
_PATH = "/usr/local/bin:/usr/sbin:/usr/bin"
_SOURCE, _RESULT, _DEPENDENCIES = "/source", "/result", "/deps"
_SHOWN = 5  # paths in a message


class Job(NamedTuple):
    """A program to build.

    source    its folder; `left_out` are patterns of what does not count in it (source.py)
    run       the text of the build script; "" for the usual one of its kind
    install   paths in the build by paths in the machine
    timeout   seconds
    """

    name: str
    source: str
    left_out: tuple[str, ...]
    run: str
    install: Mapping[AbsolutePath, BuildPath]
    timeout: int


def key(job: Job, tree: str, usual: Path | None, more: str) -> str:
    """Return the key of a program's result: a hash of all that its build can see, 64 hex digits.

    `tree` is the key of the tree of its packages, and `more` is a hash of what it uses besides its source.
    Raises OSError.
    """
    words = [
        _FORMAT,
        *(job.name, job.run, [] if usual is None else usual.read_text()),
        *(source.digest(job.source, job.left_out), dict(job.install), tree, more),
    ]
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()


def keep(tree: Tree, place: Path) -> None:
    """Write a result into the cache as the folder `place`. Raises OSError."""
    with atomic.folder(place) as new:
        tree.write_to(new)


class Prepared(NamedTuple):
    """The dependencies of a build: environment variables, and folders of this host by path in the sandbox."""

    environment: Mapping[str, str]
    readable: Mapping[str, Path]


def run(
    job: Job,
    scratch: Path,
    *,
    bwrap: ToolsTree,
    system: Path,
    usual: Path | None,
    prepare: Callable[[Path, Path, Path], Prepared],
    jobs: int,
    on_line: Callable[[str], None],
) -> Tree:
    """Build a program in the folder `scratch`, and return the tree of its files.

    `bwrap` has the program bwrap, and `system` the packages of the build. `usual` is the usual script of its
    kind. `prepare` gets the copy of the source, the folder of dependencies and the home folder, and adds the
    dependencies to them. `jobs` compilers may run at a time. The folder stays after a failure.
    Raises ToolError for a build that fails or does not end, and NotosError for a result that is of no use.
    """
    remove_folder(scratch)
    copied, result, dependencies = (scratch / each for each in ("source", "result", "deps"))
    source.copy(job.name, job.source, job.left_out, copied, EPOCH)
    for each in (result / "opt", dependencies, scratch / "home", scratch / "tmp"):
        each.mkdir(parents=True)
    prepared = prepare(copied, dependencies, scratch / "home")
    environment = {**_environment(job, jobs, system), **prepared.environment}
    for place in prepared.readable:
        (dependencies / place.removeprefix(f"{_DEPENDENCIES}/")).mkdir(exist_ok=True)
    readable = {_DEPENDENCIES: dependencies, **prepared.readable}
    if usual is not None:
        readable["/run/usual"] = usual
        environment["DEFAULT"] = "/run/usual"
    script = scratch / "script"
    if job.run:
        first = "" if job.run.startswith("#!") else "#!/bin/sh -eu\n"
        script.write_text(f"{first}{job.run.rstrip()}\n")
    else:
        assert usual is not None, "a program without a script has one of its kind"
        shutil.copyfile(usual, script)
    script.chmod(0o755)
    sandbox = Sandbox(
        bwrap,
        readable={**readable, "/run/build": script},
        writable={
            _SOURCE: copied,
            _RESULT: result,
            "/opt": result / "opt",
            "/root": scratch / "home",
            "/tmp": scratch / "tmp",
        },
        environment=environment,
        folder=_SOURCE,
        system=system,
    )
    sandbox.prove(["/bin/sh", "-c", ":"])
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        del lines[:-_LAST_LINES]
        on_line(line)

    command = sandbox.command(["/bin/sh", "-c", 'umask 022; exec "$0"', "/run/build"])
    status = follow(command, scratch / "log", keep, limit=job.timeout)
    if status != 0:
        how = f"exit status {status}" if status is not None else f"no end after {job.timeout} s"
        said = "".join(f"\n  | {line}" for line in lines)
        hint = f"\n  its folder is kept: {scratch}; the whole output is in {scratch / 'log'}"
        raise ToolError(f"build.{job.name} failed ({how}){said}{hint}", keys=("build", job.name))
    return _result(job, copied, result)


def _environment(job: Job, jobs: int, system: Path) -> dict[str, str]:
    clock = next(system.glob(f"usr/lib/*/{fixed_clock.LIBRARY}"), None)
    return {
        "PATH": _PATH,
        "HOME": "/root",
        "USER": "root",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SHELL": "/bin/sh",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "NAME": job.name,
        "DESTDIR": _RESULT,
        "INSTALL": "yes" if job.install else "",
        "JOBS": str(jobs),
        "MAKEFLAGS": f"-j{jobs}",
        "CARGO_BUILD_JOBS": str(jobs),
        "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        **(fixed_clock.environment(f"/{clock.relative_to(system)}") if clock else {}),
    }


def _result(job: Job, copied: Path, result: Path) -> Tree:
    """Return the files that the build made for the machine. Raises NotosError with all faults in them."""
    keys = ("build", job.name)
    opt = result / "opt"  # the build may have put something else there
    if opt.is_dir() and not opt.is_symlink() and not any(opt.iterdir()):
        opt.rmdir()
    try:
        tree = Tree.from_directory(result)
    except PackageError as error:
        raise failed(
            job.name, error.message, "only files, folders and links can be in the machine"
        ) from error
    wrong: list[NotosError] = []
    for place, file in job.install.items():
        try:
            _install(tree, place.lstrip("/"), copied, file)
        except (NotosError, OSError, ValueError) as error:
            message = f"build.{job.name}.install: {_reason(error, file, copied)}"
            wrong.append(NotosError(message, hint="correct the path", keys=(*keys, "install", place)))
    if not len(tree) and not wrong:
        hint = "name files in install, or put them below $DESTDIR or /opt"
        raise failed(job.name, "the build made no file for the machine", hint)
    misplaced = [f"/{path}" for path, entry in tree.items() if _is_misplaced(path, entry)]
    if misplaced:
        hint = f"{wrong_destination('/x')}; the keys files and etc describe other files"
        wrong.append(failed(job.name, f"the build made {_listed(misplaced)}", hint))
    for path, entry in tree.items():
        if isinstance(entry, Symlink) and entry.target.startswith((f"{_SOURCE}/", f"{_RESULT}/")):
            hint = "copy the file, or make a relative link"
            wrong.append(failed(job.name, f"/{path} is a link to {entry.target}, only in the build", hint))
        elif isinstance(entry, File) and isinstance(entry.content, Path) and _is_setuid(entry.content):
            hint = "only programs of packages can be setuid"
            wrong.append(failed(job.name, f"/{path} is setuid or setgid", hint))
    errors.raise_all(wrong)
    return tree


def _install(tree: Tree, path: str, copied: Path, made: str) -> None:
    """Add the file or folder `made` of the build to `tree`.

    Raises NotosError, OSError, and ValueError for a link that leads out of the source.
    """
    try:
        real = inside.real(copied, copied / made)
    except ValueError as error:
        raise ValueError(f"{made} {error}") from error
    mode = real.stat().st_mode
    if stat.S_ISREG(mode):
        tree.file(path, real, executable=bool(mode & stat.S_IXUSR))
        return
    if not stat.S_ISDIR(mode):
        raise ValueError(f"{made} is not a file or folder")
    tree.directory(path)
    for below, entry in Tree.from_directory(real).items():
        tree.add(f"{path}/{below}", entry)


def _reason(error: Exception, made: str, copied: Path) -> str:
    if isinstance(error, FileNotFoundError):
        parent = inside.real(copied, (copied / made).parent)  # as in _install, which did not fail there
        near = sorted(each.name for each in parent.iterdir())[:_SHOWN] if parent.is_dir() else []
        return f"the build made no {made}" + (f"; its folder has {', '.join(near)}" if near else "")
    return str(error)


def _is_misplaced(path: str, entry: object) -> bool:
    if isinstance(entry, Directory) and "/" not in path:
        return path not in ("usr", "opt", "srv")
    return bool(wrong_destination(f"/{path}"))


def _is_setuid(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID))


def _listed(paths: list[str]) -> str:
    return ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")

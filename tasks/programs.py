"""The programs of `build`: each is built from its source in a sandbox, in one task."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from notos.atomic import remove_folder
from notos.config.model import Program
from notos.home import own
from notos.system import contents
from tasks import programmed, project, reporter, sets, tools
from tasks.config import BUILD, CACHE, CONFIG, HOST, LOCK, MACHINE, build, gives, manifest
from tasks.graph import Task, action
from tasks.uptodate import Folders

if TYPE_CHECKING:
    from notos.debian.download import Progress

SANDBOX = contents.TOOLS_SANDBOX.rpartition("/")[2]
AGAIN = "NOTOS_PROGRAMS_AGAIN"  # an environment variable: build programs that are in the cache again


def task_programs() -> Iterator[Task]:
    """build the programs of `build` in a sandbox"""
    for name, program in MACHINE.build.programs.items():
        from notos.programs import kinds

        left_out = (*program.exclude, *_own(program.source))
        yield {
            "name": name,
            "doc": f"build the program {name} in a sandbox",
            "actions": [(action(make), [name, program, left_out])],
            "file_dep": [
                tools.target(SANDBOX),
                sets.path(contents.program_set(name)),
                *(own(f"scripts/program/{each.name}") for each in kinds.of(program.source)),
            ],
            "task_dep": ["fetch"],
            "uptodate": [Folders([program.source], partial(_paths, left_out))],
            "targets": [manifest(programmed.task(name))],
            "clean": True,
        }


def make(name: str, program: Program, left_out: tuple[str, ...]) -> None:
    """Make the object of the program `name`: from the cache, or by a build of its source.

    Raises NotosError.
    """
    from notos.errors import ToolError
    from notos.formats.tree import Tree
    from notos.programs import build as building
    from notos.programs import build_tree, kinds, python, source
    from notos.programs.dependencies import Dependencies

    keys, folder = ("build", name), str(program.source)
    if MACHINE.target != BUILD:
        raise ToolError("programs are built only on a host of the machine's architecture", keys=keys)
    set_name = contents.program_set(name)
    found, hashes = kinds.of(folder), sets.hashes(set_name)
    version = python.locked(sets.versions(set_name), MACHINE.target) if kinds.PYTHON in found else None
    usual = Path(own(f"scripts/program/{found[0].name}")).resolve() if found else None
    job = building.Job(name, folder, left_out, program.run or "", program.install, program.timeout)
    packages = contents.program_packages(program)
    tree = build_tree.key(hashes.values(), packages)
    scratch = Path(build("programs", name)).absolute()
    try:
        more = python.wanted_key(folder, version, keys, left_out)
        place = CACHE.program(building.key(job, tree, usual, more))
        if os.environ.get(AGAIN):
            place = scratch.with_name(f"{name}.again")
            remove_folder(place)
        if not place.is_dir():
            reporter.show(f"building {name} …")
            debs = sets.debs(set_name, CACHE, packages)
            system = build_tree.ensure(CACHE, tree, debs, MACHINE.target)
            dependencies = Dependencies(
                name=name,
                source=folder,
                left_out=left_out,
                kinds=found,
                target=MACHINE.target,
                python=version,
                packages=tuple(hashes),
                cache=CACHE,
                bwrap=tools.tree(SANDBOX),
                system=system,
                progress=_show,
                on_line=partial(_say, name),
            )
            made = building.run(
                job,
                scratch,
                bwrap=tools.tree(SANDBOX),
                system=system,
                usual=usual,
                prepare=dependencies.prepare,
                jobs=HOST.build(MACHINE.build, gives).jobs or len(os.sched_getaffinity(0)),
                on_line=partial(_say, name),
            )
            building.keep(made, place)
            remove_folder(scratch)
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(f"{folder}/"):
            raise
        raise source.unreadable(name, error) from error
    project.add(programmed.task(name), f"program-{name}", Tree.from_directory(place))


def _say(name: str, line: str) -> None:
    reporter.show(f"build.{name}: {line}")


def _show(progress: "Progress") -> None:
    reporter.show(
        f"downloading {progress.files_done} of {progress.files_total} files, {progress.done >> 20} MiB"
    )


def _own(source: str) -> Iterator[str]:
    """Yield the paths in the folder `source`, after a slash, that the build of a machine makes or reads."""
    place = Path(source)
    for path in ("build", "result", CONFIG, LOCK):
        whole = Path(os.path.normpath(Path.cwd() / path))
        if whole.is_relative_to(place):
            yield f"/{whole.relative_to(place)}"


def _paths(left_out: tuple[str, ...], folder: str) -> Iterator[str]:
    from notos.programs import source

    yield folder
    for path in source.walk(folder, left_out):
        yield f"{folder}/{path}"

"""Packages: their exact versions in config.lock, from signed indexes, and their .debs in the cache."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from notos.debian import local_debs
from notos.lock.request import Request
from notos.system import contents
from tasks import reporter, scripts, sets
from tasks.config import BUILD, CACHE, FEATURES, HOST, LOCK, MACHINE
from tasks.graph import Task, action
from tasks.inputs import recorded
from tasks.session import asked_for
from tasks.uptodate import Present, UnlessAsked

if TYPE_CHECKING:
    from notos.architecture import Architecture
    from notos.config.model import Debian
    from notos.debian.archive import Archive
    from notos.debian.download import Progress
    from notos.debian.mirror import Mirrors
    from notos.debian.package import LockedPackage


@recorded
def requests() -> dict[str, dict[str, Request]]:
    """Return the requests that config.lock must cover."""
    return contents.requests(MACHINE, FEATURES, BUILD)


@recorded
def local() -> dict[str, str]:
    """Return the path of each package that the config names by its .deb, by the package's name."""
    return local_debs.paths(MACHINE)


def task_lock() -> Task:
    """resolve packages to exact versions (`./doit lock` upgrades them)

    If the command line names this task, it upgrades to the newest versions and prints the changes.
    """
    return {
        "actions": [action(choose)],
        "file_dep": [*dict.fromkeys(local().values())],
        "targets": [LOCK, *map(sets.path, requests())],
        "uptodate": [UnlessAsked()],
    }


def choose() -> None:
    """Write config.lock or complete it. If the command line names the task, upgrade and print the changes."""
    from notos.debian.archive import Archive
    from notos.lock import lockfile, suites

    def archive(debian: "Debian") -> Archive:
        return Archive(debian, CACHE, MACHINE.target, progress=_show, where=_where)

    old = lockfile.read(Path(LOCK))
    new = suites.resolve(
        requests(),
        debian=MACHINE.debian,
        base=None if asked_for("lock") else old,
        archive=archive,
        cache=CACHE,
        fetch=download,
        local={name: local_debs.locked(Path(path), MACHINE.target) for name, path in local().items()},
    )
    if new != old:
        lockfile.write(Path(LOCK), new)
        if asked_for("lock"):
            reporter.clear()
            print("\n".join(lockfile.changes(old, new)))
    elif asked_for("lock"):
        reporter.clear()
        print(f"{LOCK} has the newest versions already")
    sets.write(new, requests())
    before = old.set(contents.SYSTEM) if old and contents.SYSTEM in old.sets else ()
    if changed := [each for each in new.set(contents.SYSTEM) if each not in before]:
        download(new.set(contents.SYSTEM))  # also those without programs, which the resolver does not read
        scripts.announce([each.name for each in changed])


def packages_with(file_name: str) -> list[str]:
    """Return the packages of the archive that have a file of this name. Raises NotosError."""
    return _archive(MACHINE.debian, MACHINE.target).packages_with(file_name)


@cache
def _archive(debian: "Debian", architecture: "Architecture") -> "Archive":
    """Return an archive. Cached: one build may search for the units of several services."""
    from notos.debian.archive import Archive

    return Archive(debian, CACHE, architecture, progress=_show, where=_where)


def task_fetch() -> Task:
    """download and verify the packages"""
    return {
        "actions": [action(fetch)],
        "file_dep": [*map(sets.path, requests())],
        "uptodate": [Present(debs)],
    }


def debs() -> list[Path]:
    """Return the paths of all .debs in the cache."""
    found = [CACHE.download(sha256) for name in requests() for sha256 in sets.hashes(name).values()]
    tarball = MACHINE.kernel.source.sha256 if MACHINE.kernel.source else None
    return [*found, *([CACHE.download(tarball)] if tarball else [])]


def fetch() -> None:
    """Download the packages of config.lock that the cache lacks."""
    from notos.debian.download import Download
    from notos.debian.download import fetch as get
    from notos.errors import FetchError
    from notos.lock import lockfile

    locked = lockfile.read(Path(LOCK))
    assert locked is not None, "the task lock has written it"
    download([each for name in requests() for each in locked.set(name)])
    source = MACHINE.kernel.source
    if source is not None and source.url is not None and source.sha256 is not None:
        hint = "check kernel.source in the config"
        tarball = Download(
            "kernel.source", source.url, None, source.sha256, gone=hint, wrong=hint, unreachable=hint
        )
        try:
            get([tarball], CACHE, progress=_show)
        except FetchError as error:
            keys = ("kernel", "source", "url")
            raise FetchError(error.message, hint=error.hint, keys=keys) from error


def download(packages: "Sequence[LockedPackage]") -> None:
    """Download .debs into the cache. This needs neither network nor mirror if the cache has them all."""
    from dataclasses import replace

    from notos.debian import distribution, policy
    from notos.debian.download import Download, has
    from notos.debian.download import fetch as get
    from notos.debian.package import LOCAL
    from notos.lock import suites

    missing = [each for each in packages if not has(CACHE, Download(each.name, "", each.size, each.sha256))]
    for each in missing:
        if each.origin == LOCAL:
            local_debs.keep(Path(local()[each.name]), each, CACHE)
    for debian in (MACHINE.debian, suites.tools(MACHINE.debian)):
        # Of two distributions, each has its own mirrors. Sources with a URL use none.
        origins = distribution.of(debian).origins
        these = [each for each in missing if each.origin in origins or "://" in each.origin]
        missing = [each for each in missing if each not in these]
        if these:
            where = _where(debian)
            downloads = [
                replace(each.download(where), keys=policy.keys_of(debian.sources, each)) for each in these
            ]
            get(downloads, CACHE, progress=_show, proxies=where.proxies)


def _where(debian: "Debian") -> "Mirrors":
    """Return the mirrors of a distribution: of the machine's, those of the config."""
    return _mirrors(MACHINE.debian if debian.distribution == MACHINE.debian.distribution else debian)


@cache
def _mirrors(debian: "Debian") -> "Mirrors":
    """Return the mirrors. Cached: apt takes half a second, and the user gets at most one question."""
    from notos.debian.mirror import mirrors
    from tasks import mirror_question

    return mirrors(debian, HOST, mirror_question.ask)


def _show(progress: "Progress") -> None:
    mib = 1 << 20
    reporter.show(
        f"downloading {progress.files_done} of {progress.files_total} files, "
        f"{progress.done // mib} of {progress.total // mib} MiB"
    )

"""The user's settings for this host, ~/.config/notos/host.yaml. None of them changes an output's bytes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from notos import atomic
from notos.config import composer, shapes, yaml_source
from notos.config.model import Build, CacheSize, Line, Url, setting
from notos.config.reader import Reader
from notos.config.yaml_source import MappingNode, Problem
from notos.errors import HostError
from notos.host import folders
from notos.structs import dataclass

NAME = "host.yaml"


@dataclass(frozen=True, kw_only=True)
class HostCcache:
    """The compiler cache, for keys that a machine's config does not set."""

    enable: bool | None = setting("compile with ccache", None)
    size: CacheSize | None = setting("its maximum size", None)
    remote_storage: Line | None = setting("a cache shared by several hosts, in ccache's own syntax", None)


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """Settings of a host."""

    mirror: Url | None = setting("the address of Debian's archive", None)
    security_mirror: Url | None = setting(
        "the address of the security archive; without it, the mirror's with -security at its end", None
    )
    ubuntu_mirror: Url | None = setting("the address of Ubuntu's archive", None)
    fallback_mirrors: tuple[Url, ...] = setting("mirrors to try, in this order, when the first one fails", ())
    jobs: int | None = setting(
        "number of parallel compilers; without it, one per processor", None, minimum=1, maximum=1024
    )
    ccache: HostCcache = setting("the compiler cache", HostCcache)

    def build(self, build: Build, given: Callable[..., bool]) -> Build:
        """Return `build` with this host's values for the keys that the config does not set.

        `given` takes the path of a key, for example ("build", "jobs"), and returns True if the config
        sets it.
        """
        ccache = build.ccache
        for name in ("enable", "size", "remote_storage"):
            value = getattr(self.ccache, name)
            if value is not None and not given("build", "ccache", name):
                ccache = replace(ccache, **{name: value})
        jobs = build.jobs if given("build", "jobs") else self.jobs
        # Programs are no settings: what compiles a kernel does not depend on them.
        return replace(build, jobs=jobs, ccache=ccache, programs={})


def path() -> Path:
    """Return the path of host.yaml, whether it exists or not. Raises HostError without a home folder."""
    return folders.config() / NAME


def load() -> HostSettings:
    """Return the settings, by default those of an empty file. Raises HostError with all problems."""
    try:
        file = path()
    except HostError:  # a user without a home folder has no settings
        return HostSettings()
    try:
        source = yaml_source.read(file)
    except (FileNotFoundError, NotADirectoryError):
        return HostSettings()
    except OSError as error:
        raise HostError(f"cannot read {file}: {error.strerror}") from None
    return _parse(source)


def keep_mirror(address: str) -> Path:
    """Append `mirror: address` to the file; return the file's path.

    Raises HostError if the file is not writable, or if a line cannot be appended to its YAML.
    """
    file = path()
    line = f"mirror: {address}\n"
    hint = f"add the line `{line.strip()}` to it"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = file.resolve()  # may be a symbolic link, for example into a folder of dotfiles
        before = file.read_text() if file.exists() else ""
        text = before + ("" if not before or before.endswith("\n") else "\n") + line
        try:
            kept = _parse(yaml_source.Source(file, text)).mirror
        except HostError:
            kept = None
        if kept != address:
            raise HostError(f"cannot append a line to {file}", hint=hint)
        atomic.write(file, text, mode=None, durable=True)
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(
            f"cannot write {file}: {getattr(error, 'strerror', None) or error}", hint=hint
        ) from None
    return file


def _parse(source: yaml_source.Source) -> HostSettings:
    problems: list[Problem] = []
    found: HostSettings | None = HostSettings()
    try:
        node = composer.compose(source, problems)
    except Problem as problem:
        problems.append(problem)
        node = None
    if isinstance(node, MappingNode):
        found = Reader({}, problems).read(node, shapes.struct(HostSettings))
    elif node is not None:
        problems.append(Problem("host.yaml must be a map, for example `mirror: ADDRESS`", node.place))
    if problems or found is None:
        problems.sort(key=lambda each: (each.place.line, each.place.column))
        raise HostError("\n".join(each.render() for each in problems))
    return found

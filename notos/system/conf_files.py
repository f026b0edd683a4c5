"""Checks of the sysusers.d and tmpfiles.d files in a config's `etc`."""

from collections.abc import Iterator
from pathlib import Path

from notos.config.yaml_source import Node, Place, Problem, key_place, place_of
from notos.features.model import Copy, Features, Text
from notos.system import sysusers, tmpfiles

_FOLDERS = {"sysusers.d": sysusers.mistakes, "tmpfiles.d": tmpfiles.mistakes}


def problems(features: Features, node: Node) -> Iterator[Problem]:
    """Yield the problems in these files of a machine with `features`; `node` is its config."""
    for file in features.etc:
        folder, _, name = file.path.partition("/")
        if not file.keys or folder not in _FOLDERS or not name:
            continue
        path = file.path
        is_own = file.keys[0] == "etc"
        if "/" in name or not name.endswith(".conf"):
            message = f"etc.{path} is not read: files in {folder} must be named NAME.conf"
            yield Problem(message, key_place(node, *file.keys))
            continue
        prefix = ""
        match file.content:
            case Text(text):
                pass
            case Copy(source):
                try:
                    text = Path(source).read_text(encoding="utf-8", errors="replace")
                except OSError as error:
                    place = place_of(node, "etc", path, "source")
                    yield Problem(f"etc.{path}.source: cannot read {source}: {error.strerror}", place)
                    continue
                prefix = f"{Path(source).name}:"
            case _:
                continue
        for number, message in _FOLDERS[folder](name, text):
            if is_own:
                yield _problem(node, path, prefix, number, message)
            else:
                yield Problem(f"/etc/{path}:{number}: {message}", key_place(node, *file.keys))


def _problem(node: Node, path: str, prefix: str, number: int, message: str) -> Problem:
    """Return the problem in line `number` of the file at `path`, at that line if the config contains it."""
    if prefix:
        return Problem(f"{prefix}{number}: {message}", place_of(node, "etc", path, "source"))
    place = place_of(node, "etc", path, "text")
    style = place.source.line(place.line)[place.column : place.column + 1]
    if style == ">":  # folded: lines of the text are not lines of the config
        return Problem(message, key_place(node, "etc", path, "text"))
    if style == "|":
        line = place.source.line(place.line + number)
        start = len(line) - len(line.lstrip())
        return Problem(message, Place(place.source, place.line + number, start, len(line) - start))
    return Problem(message, place)

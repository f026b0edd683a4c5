"""Requirements files of pip in which each version is pinned by hashes, as pip-compile and uv write them.

Source: the documentation of pip, "Requirements File Format" and "Secure installs".
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from notos import errors
from notos.errors import NotosError
from notos.host.proxy import without_password
from notos.programs import source

if TYPE_CHECKING:
    from packaging.utils import NormalizedName
    from packaging.version import Version

FILE = "requirements.txt"
_HASH = re.compile(r"\s--hash[=\s]+(\w+):([0-9A-Fa-f]+)")
_STRONG = ("sha256", "sha384", "sha512")  # those that pip accepts
_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
# Options that change nothing here: each file is pinned by its hash.
_NEUTRAL = re.compile(
    r"--(only-binary|no-binary|prefer-binary|require-hashes|pre|trusted-host|use-feature)\b|--uploaded-prior-to"
)
_HINT = "`pip-compile --generate-hashes` or `uv pip compile --generate-hashes` writes it"
_COPY = "copy it into the source, and do not exclude it"


class Digest(NamedTuple):
    """A hash that a file may have: the algorithm's name in hashlib, and hex digits in lower case."""

    algorithm: str
    value: str


class Pinned(NamedTuple):
    """A requirement: a package in one version. `where` is its file and line; `url` is "" for the index."""

    name: "NormalizedName"
    version: "Version | None"  # None with a url
    digests: frozenset[Digest]
    where: str
    url: str = ""


@dataclass(frozen=True)
class Requirements:
    """All requirements that apply to the machine, and the places that the file names for their files.

    `index` replaces the index of pip's configuration; "" if the file names none. `no_index` is True if the
    file forbids indexes.
    """

    pinned: tuple[Pinned, ...] = ()
    index: str = ""
    more_indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    no_index: bool = False


class _Line(NamedTuple):
    where: str
    folder: Path
    text: str


def read(
    path: Path, environment: Mapping[str, str], keys: tuple[str, ...], left_out: Sequence[str] = ()
) -> Requirements:
    """Return the requirements in the file `path` and in those that it includes.

    They must count in the folder of `path`, without the patterns `left_out` (source.py). `environment` has
    the values of markers (PEP 508) in the machine. Raises NotosError, with `keys`, with all
    lines that cannot be used, and OSError.
    """
    wrong: list[NotosError] = []
    pinned: dict[str, Pinned] = {}
    index, more, links, no_index = "", [], [], False
    top = str(path.parent)
    if reason := source.fault(top, path, left_out):
        raise NotosError(f"{path} {reason}", hint=_COPY, keys=keys)
    for line in _lines(path, (), keys, lambda other: source.fault(top, other, left_out)):
        option, _, value = re.sub(r"[=\s]+", " ", line.text).partition(" ")
        value = _expanded(value)
        if option in ("-i", "--index-url", "--pypi-url"):
            index = value
        elif option == "--extra-index-url":
            more.append(value)
        elif option in ("-f", "--find-links"):
            links.append(value if "://" in value else str(line.folder / value))
        elif option == "--no-index":
            no_index = True
        elif _NEUTRAL.match(line.text):
            continue
        elif option in ("-e", "--editable", "-c", "--constraint") or option.startswith("-"):
            wrong.append(
                NotosError(
                    f"{line.where}: {without_password(option)} is not supported",
                    hint="leave it out",
                    keys=keys,
                )
            )
        else:
            try:
                found = _pinned(line, environment, keys)
            except ValueError as error:
                reason = without_password(str(error).partition("\n")[0])
                wrong.append(NotosError(f"{line.where}: {reason}", hint=_HINT, keys=keys))
                continue
            except NotosError as error:
                wrong.append(error)
                continue
            if found is not None and (other := pinned.setdefault(found.name, found)) != found:
                message = f"{line.where}: {found.name} is also at {other.where}"
                wrong.append(NotosError(message, hint="leave one out", keys=keys))
    errors.raise_all(wrong)
    return Requirements(tuple(pinned.values()), index, tuple(more), tuple(links), no_index)


def _pinned(line: _Line, environment: Mapping[str, str], keys: tuple[str, ...]) -> Pinned | None:
    """Return the requirement in a line; None if its marker excludes this machine.

    Raises ValueError if it is invalid, and NotosError if it is not pinned.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    digests = frozenset(Digest(kind, value.lower()) for kind, value in _HASH.findall(line.text))
    text = _HASH.sub("", line.text).strip()
    path = Path(line.folder, text.partition(";")[0].strip())
    if text.startswith((".", "/")) or (os.sep in text and "@" not in text and path.exists()):
        message = f"{line.where}: {without_password(text)} is a path; only files with a hash can be locked"
        raise NotosError(message, hint="name packages with their versions", keys=keys)
    wanted = Requirement(text)
    if wanted.marker is not None and not wanted.marker.evaluate(dict(environment)):
        return None
    exact = [each for each in wanted.specifier if each.operator in ("==", "===")]
    if not wanted.url and (len(wanted.specifier) != 1 or not exact or exact[0].version.endswith(".*")):
        message = f"{line.where}: {wanted.name} has no exact version (==)"
        raise NotosError(message, hint=_HINT, keys=keys)
    if not any(each.algorithm in _STRONG for each in digests):
        message = f"{line.where}: {wanted.name} has no hash (--hash=sha256:…)"
        raise NotosError(message, hint=_HINT, keys=keys)
    for each in digests:
        if each.algorithm in _STRONG and len(each.value) != 2 * hashlib.new(each.algorithm).digest_size:
            raise ValueError(f"{wanted.name} has an invalid hash ({each.algorithm}:{each.value})")
    strong = frozenset(each for each in digests if each.algorithm in _STRONG)
    version = None if wanted.url else Version(exact[0].version)
    return Pinned(canonicalize_name(wanted.name), version, strong, line.where, wanted.url or "")


def _lines(
    path: Path, outer: tuple[Path, ...], keys: tuple[str, ...], fault: Callable[[Path], str]
) -> Iterator[_Line]:
    """Yield the logical lines of a file without comments, and those of the files that it includes.

    `fault` returns why a file cannot be included.
    """
    number, text = 0, ""
    try:
        raws = path.read_text(encoding="utf-8-sig").splitlines()
    except ValueError as error:
        raise NotosError(f"{path} is not in UTF-8: {error}", hint=_HINT, keys=keys) from error
    for at, raw in enumerate(raws, 1):
        start = number if text else at
        number = start
        plain = _COMMENT.sub("", raw)
        if raw.rstrip().endswith("\\") and plain == raw:
            text += plain.rstrip()[:-1] + " "
            continue
        text = (text + plain).strip()
        line, text = text, ""
        if not line:
            continue
        where = f"{path}:{start}"
        included = re.match(r"(?:-r|--requirement)[=\s]+(.+)", line) or re.match(r"-r(\S+)", line)
        if not included:
            yield _Line(where, path.parent, line)
            continue
        other = path.parent / included[1].strip()
        if other in (path, *outer) or not other.is_file():
            reason = (
                "includes itself"
                if other in (path, *outer)
                else f"{without_password(included[1].strip())} is not a file"
            )
            raise NotosError(f"{where}: {reason}", hint="name another file", keys=keys)
        if reason := fault(other):
            raise NotosError(f"{where}: {other} {reason}", hint=_COPY, keys=keys)
        yield from _lines(other, (*outer, path), keys, fault)
    if text.strip():
        yield _Line(f"{path}:{number}", path.parent, text.strip())


def _expanded(text: str) -> str:
    """Return `text` with ${NAME} of the environment in it, as pip does."""
    return _VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[0], text)

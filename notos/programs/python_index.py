"""Indexes of Python packages: where pip is configured to find files, and the files of a package there.

Sources: PEP 503 and PEP 691 (the simple repository API), and pip's documentation, "Configuration".
"""

import configparser
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from notos.debian import download
from notos.errors import FetchError
from notos.host.proxy import without_password
from notos.programs import wheels
from notos.programs.requirements import Digest, Requirements

_SIMPLE = "application/vnd.pypi.simple.v1"
_ACCEPT = f"{_SIMPLE}+json, {_SIMPLE}+html; q=0.2, text/html; q=0.1"
_KNOWN = ("sha256", "sha384", "sha512")
_SECTIONS = ("global", "install")  # of pip's configuration; a later one wins
HINT = "pip's configuration names the index (index-url); `pip config list` shows it"


class Places(NamedTuple):
    """The places of files: addresses of indexes, and folders or addresses of pages with links."""

    indexes: tuple[str, ...]
    links: tuple[str, ...]


class Link(NamedTuple):
    """A file of an index: its name, its address or its path on this host, and its digests, if known."""

    file: str
    url: str
    digests: frozenset[Digest]


def configuration(environment: Mapping[str, str], home: Path, etc: Path = Path("/etc")) -> dict[str, str]:
    """Return the settings of pip: those of its files, then those of its variables, which win."""
    own = environment.get("PIP_CONFIG_FILE", "")
    files = (
        []
        if own == os.devnull
        else [
            etc / "xdg/pip/pip.conf",
            etc / "pip.conf",
            home / ".pip/pip.conf",
            Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf"),
            *([Path(own)] if own else []),
        ]
    )
    found: dict[str, str] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error):
            continue  # as without it; pip itself shows what is wrong
        for section in _SECTIONS:
            if parser.has_section(section):
                found.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            found[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return found


def places(wanted: Requirements, settings: Mapping[str, str], default: Callable[[], str]) -> Places:
    """Return where the files of `wanted` are; `default` returns pip's own index."""
    more = (*wanted.more_indexes, *settings.get("extra-index-url", "").split())
    links = (*wanted.links, *settings.get("find-links", "").split())
    if wanted.no_index or settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return Places((), links)
    first = wanted.index or settings.get("index-url") or default()
    return Places(tuple(dict.fromkeys((first, *more))), tuple(dict.fromkeys(links)))


def default_in(help_text: str) -> str:
    """Return the index that the help of pip's command download names as its default; "" if none."""
    found = re.search(r"--index-url.*?\(default\s+(\S+?)\)", help_text, re.DOTALL)
    return found[1] if found else ""


def links(name: str, where: Places, get: Callable[[str], bytes | None]) -> Iterator[Link]:
    """Yield the files of the package `name`, a normalised name. Raises FetchError.

    `get` returns the page at an address, None if it does not exist.
    """
    for each in where.links:
        yield from _in_folder(each, name) if _local(each) else _on_page(each, get)
    for each in where.indexes:
        yield from _on_page(f"{each.rstrip('/')}/{name}/", get)


def at_address(url: str) -> Link:
    """Return the file at `url`, whose digests nothing shows. Raises ValueError for an invalid address."""
    path = _local(url)
    if path is not None:
        return Link(path.name, str(path), frozenset())
    address = urldefrag(url).url
    return Link(unquote(urlsplit(address).path.rpartition("/")[2]), address, frozenset())


def fetch_page(url: str) -> bytes | None:
    """Return the page at `url`, None if it does not exist. Raises FetchError."""
    try:
        return download.get(url, headers={"Accept": _ACCEPT})
    except FetchError as error:
        raise FetchError(error.message, hint=HINT) from error


def _on_page(url: str, get: Callable[[str], bytes | None]) -> Iterator[Link]:
    if (path := _local(url)) is not None:
        page = path / "index.html" if path.is_dir() else path
        text: bytes | None = page.read_bytes() if page.is_file() else None
    else:
        text = get(url)
    if text is None:
        return
    rows = _of_json(text) if text.lstrip().startswith(b"{") else _of_html(text)
    for file, href, digests in rows:
        if not wheels.FILE.fullmatch(file):
            continue  # of no wheel or source archive, or hostile
        try:
            address = _with_password(urljoin(url, href), url)
            path = _local(address)
        except ValueError:
            continue
        if path is not None and _local(url) is None:
            continue  # a server does not name files of this host
        yield Link(file, str(path) if path is not None else address, digests)


def _in_folder(place: str, name: str) -> Iterator[Link]:
    """Yield the files of a folder on this host, with their digests, that may be of the package `name`."""
    folder = _local(place)
    assert folder is not None
    if not folder.is_dir():
        return
    start = name.replace("-", "").lower()
    for path in sorted(folder.iterdir()):
        plain = path.name.replace("-", "").replace("_", "").replace(".", "").lower()
        if plain.startswith(start) and path.is_file():
            yield Link(path.name, str(path), frozenset())


def _of_json(text: bytes) -> Iterator[tuple[str, str, frozenset[Digest]]]:
    try:
        for each in json.loads(text)["files"]:
            hashes = each.get("hashes", {}).items()
            yield (
                str(each["filename"]),
                str(each["url"]),
                frozenset(Digest(*row) for row in hashes if row[0] in _KNOWN),
            )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FetchError("the index's answer is not of the simple repository API", hint=HINT) from error


def _of_html(text: bytes) -> Iterator[tuple[str, str, frozenset[Digest]]]:
    parser = _Anchors()
    parser.feed(text.decode(errors="replace"))
    for href in parser.found:
        try:
            address, fragment = urldefrag(href)
            file = unquote(urlsplit(address).path.rpartition("/")[2])
        except ValueError:
            continue  # an invalid address
        kind, _, value = fragment.partition("=")
        digests = frozenset((Digest(kind, value.lower()),)) if kind in _KNOWN else frozenset()
        yield file, address, digests


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of a link."""
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _local(place: str) -> Path | None:
    """Return the path of a place on this host, None for an address."""
    if place.startswith("file:"):
        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else Path(place)


def _with_password(url: str, index: str) -> str:
    """Return `url` with the user and password of `index` if both are on one host."""
    parts, own = urlsplit(url), urlsplit(index)
    if "@" in own.netloc and parts.netloc == urlsplit(without_password(index)).netloc:
        return urlunsplit(parts._replace(netloc=own.netloc))
    return url

"""Made-up packages, laid out and integrated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from notos.architecture import AMD64
from notos.debian import kinds
from notos.debian.deb import Attributes
from notos.debian.script_files import Packages
from notos.debian.unpack import Aside, Unpack, unpack
from notos.formats.tree import Tree
from notos.integration import diversions
from notos.integration.model import Context, installed, scripts
from tests.signed_archive import Deb


def laid_out(
    folder: Path, made: Sequence[Deb], settings: Mapping[str, Any] = {}, *, keep: Sequence[str] = ()
) -> tuple[Tree, Context]:
    """Return the tree of the packages, before any mechanism, and the context of the mechanisms."""
    debs = []
    for each in made:
        path = folder / each.file_name
        path.write_bytes(each.build())
        debs.append(Unpack(path, package=each.name))
    attributes: dict[str, Attributes] = {}
    aside = Aside()
    folders: set[str] = set()
    known = installed(debs)
    diverted = diversions.read(scripts(None, AMD64, *known.values()).calls(*diversions.COMMANDS))
    tree = unpack(debs, keep=keep, attributes=attributes, aside=aside, folders=folders, place=diverted.place)
    seen = Packages(tree, folders, kinds.unwanted(keep), attributes=attributes, diverted=diverted.targets)
    units = aside.accounts
    return tree, Context(AMD64, known, attributes, units, {}, keep, settings, frozenset(folders), seen)


def script(*lines: str) -> str:
    """Return a maintainer script."""
    return "".join(f"{line}\n" for line in ("#!/bin/sh", "set -e", *lines))

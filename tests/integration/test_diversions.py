"""Diversions of packages, through system-path."""

from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.cache import Cache
from notos.debian.unpack import Unpack
from notos.errors import PackageError
from notos.formats.tree import File, Tree
from notos.integration import diversions
from notos.system import system_path
from tests.integration.packages import script
from tests.signed_archive import Deb

LIBPQ = Deb("libpq-dev", files={"usr/bin/pg_config": b"libpq"})
ADD = "dpkg-divert --package postgresql-common --divert /usr/bin/pg_config.libpq-dev --add /usr/bin/pg_config"


def built(folder: Path, *made: Deb) -> Tree:
    debs = []
    for each in made:
        path = folder / each.file_name
        path.write_bytes(each.build())
        debs.append(Unpack(path, package=each.name))
    return system_path.build(debs, AMD64, Cache(folder / "cache"))


def contents(tree: Tree, folder: str) -> dict[str, bytes]:
    return {
        path: entry.read()
        for path, entry in tree.items()
        if path.startswith(folder) and isinstance(entry, File)
    }


@pytest.mark.parametrize("name", ["preinst", "postinst"])
@pytest.mark.parametrize(
    ("line", "target"),
    [
        (ADD, "pg_config.libpq-dev"),
        ("dpkg-divert --add --rename --divert /bin/other /bin/pg_config", "other"),
        ("[ -e x ] || dpkg-divert --quiet --add /usr/bin/pg_config", "pg_config.distrib"),
    ],
)
def test_the_file_of_the_other_package_moves(tmp_path: Path, name: str, line: str, target: str) -> None:
    own = Deb("postgresql-common", files={"usr/bin/pg_config": b"common"}, scripts={name: script(line)})
    found = contents(built(tmp_path, LIBPQ, own), "bin/pg") | contents(
        built(tmp_path, LIBPQ, own), "bin/other"
    )
    assert found == {"bin/pg_config": b"common", f"bin/{target}": b"libpq"}


def test_without_a_diversion_it_is_a_conflict(tmp_path: Path) -> None:
    removed = script(ADD, ADD.replace("--add", "--remove"))
    for text in (script("true"), removed):
        own = Deb("postgresql-common", files={"usr/bin/pg_config": b"common"}, scripts={"preinst": text})
        with pytest.raises(PackageError, match="different files at usr/bin/pg_config"):
            built(tmp_path, LIBPQ, own)


def test_place() -> None:
    found = diversions.Diversions({"usr/bin/x": diversions.Diversion("usr/bin/x", "usr/bin/y", "one")})
    assert (found.place("one", "usr/bin/x"), found.place("two", "usr/bin/x")) == ("usr/bin/x", "usr/bin/y")

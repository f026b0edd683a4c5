"""Files of packages that a config names: time zones and locales, found with what their links lead to."""

from pathlib import Path

import pytest

from notos.debian.unpack import Unpack, unpack
from notos.errors import NotosError
from notos.features.model import Choice
from notos.formats.tree import File, Symlink, Tree
from notos.system import choices
from tests.signed_archive import Deb

ZONE = Choice("tzdata", "share/zoneinfo", "Europe/Berlin", "time zone", ("timezone",))
LOCALE = Choice(
    "tzdata", "lib/locale", "de_DE.utf8", "locale", ("locale", "de_DE.UTF-8"), folder_of_files=True
)


@pytest.fixture
def tzdata(tmp_path: Path) -> Unpack:
    zones = ("Europe/Berlin", "Europe/Brussels", "America/New_York", "Etc/UTC")
    files: dict[str, bytes | str] = {f"usr/share/zoneinfo/{name}": name.encode() for name in zones}
    files["usr/share/zoneinfo/Europe/Amsterdam"] = "Brussels"
    files["usr/lib/locale/de_DE.utf8/LC_CTYPE"] = b""
    path = tmp_path / "tzdata.deb"
    path.write_bytes(Deb("tzdata", files=files).build())
    return Unpack(path, package="tzdata")


def test_a_file_and_a_folder(tzdata: Unpack) -> None:
    tree = Tree()
    choices.complete(tree, [tzdata], [ZONE, LOCALE])
    assert isinstance(tree.get("usr/share/zoneinfo/Europe/Berlin"), File)
    assert isinstance(tree.get("usr/lib/locale/de_DE.utf8/LC_CTYPE"), File)
    before = [path for path, _ in tree.items()]
    choices.complete(tree, [], [ZONE, LOCALE])  # no package is read for what exists
    assert [path for path, _ in tree.items()] == before


def test_a_link_and_its_target(tzdata: Unpack) -> None:
    tree = Tree()
    tree.symlink("usr/share/zoneinfo/Europe/Amsterdam", "Brussels")
    choices.complete(tree, [tzdata], [ZONE._replace(path="Europe/Amsterdam")])
    assert tree.get("usr/share/zoneinfo/Europe/Amsterdam") == Symlink("Brussels")
    assert isinstance(tree.get("usr/share/zoneinfo/Europe/Brussels"), File)
    assert tree.get("usr/share/zoneinfo/Europe/Berlin") is None


def test_links_to_links(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "usr/share/zoneinfo/Europe/First": "Second",
        "usr/share/zoneinfo/Europe/Second": "../Etc/Third",
        "usr/share/zoneinfo/Etc/Third": b"zone",
    }
    path = tmp_path / "tzdata.deb"
    path.write_bytes(Deb("tzdata", files=files).build())
    tree = Tree()
    choices.complete(tree, [Unpack(path, package="tzdata")], [ZONE._replace(path="Europe/First")])
    assert tree.resolve("usr/share/zoneinfo/Europe/First") == "usr/share/zoneinfo/Etc/Third"


def test_a_folder_whose_files_are_links_to_other_folders(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "usr/lib/locale/aa_DJ.utf8/LC_COLLATE": b"order",
        "usr/lib/locale/de_AT.utf8/LC_COLLATE": "../aa_DJ.utf8/LC_COLLATE",
        "usr/lib/locale/de_DE.utf8/LC_COLLATE": "../de_AT.utf8/LC_COLLATE",
        "usr/lib/locale/de_DE.utf8/LC_MESSAGES/SYS_LC_MESSAGES": "../../aa_DJ.utf8/LC_COLLATE",
        "usr/lib/locale/de_DE.utf8/LC_TIME": b"time",
    }
    path = tmp_path / "tzdata.deb"
    path.write_bytes(Deb("tzdata", files=files).build())
    debs = [Unpack(path, package="tzdata")]
    tree = unpack([Unpack(path, only=("usr/lib/locale/de_DE.utf8/*",), package="tzdata")])
    choices.complete(tree, debs, [LOCALE])
    folder = "usr/lib/locale/de_DE.utf8"
    assert [place for place, _ in tree.items() if place.startswith("usr/lib/locale/")] == [
        folder,
        *(f"{folder}/{each}" for each in ("LC_COLLATE", "LC_MESSAGES")),
        f"{folder}/LC_MESSAGES/SYS_LC_MESSAGES",
        f"{folder}/LC_TIME",
    ]
    for place in (f"{folder}/LC_COLLATE", f"{folder}/LC_MESSAGES/SYS_LC_MESSAGES"):
        entry = tree.get(place)
        assert isinstance(entry, File)
        assert entry.read() == b"order"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            ZONE._replace(path="Europe/Berln"),
            "the time zone Europe/Berln does not exist: did you mean Europe/Berlin",
        ),
        (ZONE._replace(path="berlin"), "did you mean Europe/Berlin?"),
        (ZONE._replace(path="Mars/Base"), "the package tzdata has 5"),
        (ZONE._replace(path="Europe"), "does not exist"),
        (
            LOCALE._replace(path="de_DR.utf8"),
            "the locale de_DR.utf8 does not exist: did you mean de_DE.utf8?",
        ),
    ],
)
def test_unknown(tzdata: Unpack, choice: Choice, message: str) -> None:
    with pytest.raises(NotosError) as caught:
        choices.check([tzdata], [choice])
    assert message in str(caught.value)
    assert caught.value.keys == choice.keys


def test_all_at_once(tzdata: Unpack) -> None:
    with pytest.raises(NotosError) as caught:
        choices.check([tzdata], [ZONE._replace(path="x"), LOCALE._replace(path="y")])
    assert len(caught.value.parts) == 2

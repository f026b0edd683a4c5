"""The files of units: aliases, templates, drop-ins. The facts are those of systemd.unit(5).

systemctl of the tools tree, which reads the same folders, is the judge of drop-ins and aliases.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.units.unit_files import FOLDERS, UnitFiles
from tests.units.conftest import Systemd
from tests.units.made import FOLDER, files


def values(made: UnitFiles, name: str, key: str = "k") -> list[str]:
    return [each.value for each in made.load(name).sections.get("Service", ()) if each.key == key]


def unit(value: str) -> str:
    return f"[Service]\nk={value}\n"


def test_a_unit() -> None:
    found = files({"a.service": unit("1")}).load("a.service")
    assert (found.name, found.names, found.files) == (
        *("a.service", ("a.service",)),
        (f"/{FOLDER}/a.service",),
    )
    (setting,) = found.sections["Service"]
    assert setting.place == f"/{FOLDER}/a.service:2"
    assert not setting.own


def test_the_first_folder_wins() -> None:
    made = files({"a.service": unit("usr"), "etc/systemd/system/a.service": unit("etc")})
    assert values(made, "a.service") == ["etc"]


def test_the_user_s_unit_wins() -> None:
    made = files({"a.service": unit("usr")}, own={"a.service": unit("own"), "b@.service": unit("%i")})
    assert values(made, "a.service") == ["own"]
    assert made.load("a.service").files == ("units/a.service",)
    assert made.load("b@c.service").sections["Service"][0].own


def test_templates() -> None:
    made = files({"a@.service": unit("t"), "a@x.service": unit("x"), "b.service": unit("1")})
    assert values(made, "a@y.service") == ["t"]
    assert values(made, "a@x.service") == ["x"]
    assert made.load("a@y.service").name == "a@y.service"
    with pytest.raises(NotosError, match=r"a@\.service is a template.*write a@NAME\.service"):
        made.load("a@.service")
    default = files({"a@.service": unit("t") + "[Install]\nDefaultInstance=d\n"})
    assert default.load("a@.service").name == "a@d.service"


@pytest.mark.parametrize("target", ["b.service", f"/{FOLDER}/b.service", "../system/b.service"])
def test_a_link_is_an_alias(target: str) -> None:
    made = files({"b.service": unit("1")}, {"a.service": target})
    found = made.load("a.service")
    assert (found.name, found.names) == ("b.service", ("b.service", "a.service"))
    assert made.canonical("a.service") == "b.service"


def test_links_of_templates() -> None:
    made = files({"b@.service": unit("t")}, {"a@.service": "b@.service", "c.service": "b@x.service"})
    assert made.load("a@y.service").name == "b@y.service"
    assert made.load("c.service").name == "b@x.service"


def test_a_link_to_a_file_elsewhere() -> None:
    made = files({"usr/share/x/a.unit": unit("1")}, {"a.service": "/usr/share/x/a.unit"})
    assert values(made, "a.service") == ["1"]


def test_links_in_a_circle() -> None:
    made = files({}, {"a.service": "b.service", "b.service": "a.service"})
    with pytest.raises(NotosError, match=r"no package has the unit a\.service"):
        made.load("a.service")


def test_aliases_of_the_section_install() -> None:
    """Debian makes these links when it enables the unit."""
    made = files({"ssh.service": unit("1") + "[Install]\nAlias=sshd.service x.socket\n"})
    assert made.load("sshd.service").name == "ssh.service"
    assert made.canonical("sshd.service") == "ssh.service"
    assert not made.exists("x.socket")


@pytest.mark.parametrize("how", ["link", "empty"])
def test_a_masked_unit(how: str) -> None:
    made = files(
        {} if how == "link" else {"a.service": ""}, {"a.service": "/dev/null"} if how == "link" else {}
    )
    with pytest.raises(NotosError, match=r"a\.service is masked"):
        made.load("a.service")
    assert not made.exists("a.service")


def test_an_unknown_unit() -> None:
    made = files({"nginx.service": unit("1"), "nginx.timer": unit("1")})
    with pytest.raises(NotosError, match=r'did you mean "nginx\.service"\?'):
        made.load("ngnix.service")
    with pytest.raises(NotosError, match=r"add the package"):
        made.load("postgresql.service")
    with pytest.raises(NotosError, match=r"nginx is not the name of a unit"):
        made.load("nginx")
    assert made.names() == ("nginx.service", "nginx.timer")


DROP_INS = {
    **{
        "etc/systemd/system/a-b@.service": "0",
        "a-b@.service.d/50.conf": "t50",
        "a-b@c.service.d/60.conf": "i60",
    },
    **{"a-@.service.d/40.conf": "p40", "service.d/10.conf": "s10", "a-b@c.service.d/10.conf": "i10"},
    **{"etc/systemd/system/a-b@.service.d/60.conf": "e60", "a-b@c.service.d/readme": "no"},
    **{"a-b.service.d/70.conf": "no", "a-@c.service.d/45.conf": "p45", "socket.d/1.conf": "no"},
    "etc/systemd/system/a-@.service.d/50.conf": "e50",
}


def test_the_judge_of_drop_ins_is_systemd(systemd: Systemd, tmp_path: Path) -> None:
    """systemd-analyze warns about the unknown key in each file that it reads, in the order of reading."""
    made = files({path: unit(value) for path, value in DROP_INS.items()})
    for path, text in made.texts.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text)
    folders = ":".join(str(tmp_path / folder) for folder in FOLDERS)
    done = systemd.run(
        *("systemd-analyze", "verify", "--man=no", str(tmp_path / FOLDERS[0] / "a-b@c.service")),
        SYSTEMD_UNIT_PATH=folders,
    )
    theirs = re.findall(rf"^{tmp_path}(\S+):2: Unknown key 'k'", done.stderr, re.MULTILINE)
    assert list(made.load("a-b@c.service").files) == theirs
    assert len(theirs) == 6


def test_a_link_to_dev_null_masks_a_drop_in() -> None:
    made = files(
        {"a.service": unit("0"), "a.service.d/1.conf": unit("1"), "a.service.d/2.conf": unit("2")},
        {"etc/systemd/system/a.service.d/1.conf": "/dev/null"},
    )
    assert values(made, "a.service") == ["0", "2"]


def test_drop_ins_of_an_alias() -> None:
    links: Mapping[str, str] = {"a.service": "b.service", "a.service.d/2.conf": "../x.d/2.conf"}
    made = files({"b.service": unit("0"), "a.service.d/1.conf": unit("1"), "x.d/2.conf": unit("2")}, links)
    assert values(made, "a.service") == ["0", "1", "2"]

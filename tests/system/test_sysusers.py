"""Accounts from sysusers.d. systemd-sysusers is the judge of the rows and of the lines that are refused."""

import random
import re
import subprocess
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.system.sysusers import Accounts, accounts, mistakes
from tests.conftest import Tool

PASSWD = "root:*:0:0:root:/root:/bin/bash\ndaemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
GROUP = "root:*:0:\ndaemon:*:1:\nnogroup:*:65534:\n"


def made(*texts: str) -> Accounts:
    return accounts({f"{at}.conf": text for at, text in enumerate(texts)}, passwd=PASSWD, group=GROUP)


def rows(text: str) -> dict[str, list[str]]:
    return {line.split(":")[0]: line.split(":") for line in text.splitlines()}


def test_a_user_gets_a_group_and_a_number() -> None:
    result = made('u web - "A web server" /srv\n')
    row = rows(result.passwd)["web"]
    number = row[2]
    assert row == ["web", "x", number, number, "A web server", "/srv", "/usr/sbin/nologin"]
    assert 100 <= int(number) <= 999
    assert rows(result.group)["web"] == ["web", "x", number, ""]
    assert rows(result.shadow)["web"][1] == "*"


def test_debian_s_sshd() -> None:
    result = made('u sshd -:nogroup "sshd user" /run/sshd\n')
    assert rows(result.passwd)["sshd"][3:6] == ["65534", "sshd user", "/run/sshd"]
    assert "sshd" not in rows(result.group)


def test_given_numbers_and_members() -> None:
    result = made('g nixbld 30000\nu nixbld1 30001:nixbld "Builder" /var/empty\nm nixbld1 nixbld\n')
    assert rows(result.passwd)["nixbld1"][2:4] == ["30001", "30000"]
    assert rows(result.group)["nixbld"] == ["nixbld", "x", "30000", "nixbld1"]
    assert rows(result.gshadow)["nixbld"] == ["nixbld", "!", "", "nixbld1"]


def test_no_account_has_a_password_and_only_locked_ones_take_no_keys() -> None:
    """sshd without PAM refuses an account whose password begins with "!" (sshd(8), LOGIN PROCESS)."""
    result = made("u a -\nu! b -\n")
    assert {name: row[1] for name, row in rows(result.shadow).items()} == {
        "root": "*",
        "daemon": "*",
        "a": "*",
        "b": "!*",
    }
    assert all(row[1] == "x" for row in rows(result.passwd).values())


def test_a_range_of_numbers_is_no_account() -> None:
    """As in sysusers.d(5): r has no name."""
    text = "r - 500-900\nr - 30000\nu a -\n"
    assert list(mistakes("x.conf", text)) == []
    assert "a" in rows(made(text).passwd)
    assert [number for number, _ in mistakes("x.conf", "u - 1\ng - -\nm - a\nu! 1a\n")] == [1, 2, 3, 4]


def test_the_order_of_files_and_lines_does_not_matter() -> None:
    assert made("u b -\nu a -\n", "g c -\n") == made("g c -\n", "u a -\nu b -\n")


def test_a_number_stays_when_other_accounts_are_added() -> None:
    alone = rows(made("u web -\n").passwd)["web"][2]
    among = rows(made("u aaa -\nu web -\n", "g ghi -\nu zzz -\n").passwd)
    assert among["web"][2] == alone
    assert len({row[2] for row in among.values()}) == len(among)


def test_there_is_a_number_for_each_of_many() -> None:
    lines = "".join(f"u user{number} -\n" for number in range(900))
    found = rows(made(lines).passwd)
    assert {int(found[f"user{number}"][2]) for number in range(900)} == set(range(100, 1000))
    with pytest.raises(NotosError, match="no number is left"):
        made(lines + "u more -\n")


@pytest.mark.parametrize(
    "texts", [("u web -:nogroup\nm alice web\n",), ("m alice web\n", "u web 5:nogroup\n")]
)
def test_a_user_with_another_group_makes_no_group(texts: tuple[str, ...]) -> None:
    with pytest.raises(NotosError, match=r"sysusers\.d/0\.conf:\d: there is no group web"):
        made(*texts)
    assert rows(made("g web -\n", *texts).group)["web"][3] == "alice"


def test_an_existing_account_stays() -> None:
    assert rows(made("u daemon 77\n").passwd)["daemon"][2] == "1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u web 1x", "not a number"),
        ("u web 011", "not a number"),
        ("u web 65535", "not a number"),
        ("u web 1:12345", "no group has the number 12345"),
        ("u web - - rel", "do not match"),
        ("u! web - - / /bin/../sh", "do not match"),
        ("g web - - /", "do not match"),
        ("g! web -", "does not take !"),
        ("u?", "a type and a name"),
        ("r x 5-9", "a range has no name"),
        ("r - 9-5", "is not a range"),
        ("x web -", "a line of type x is not understood"),
        ("u web -:nobody", "there is no group nobody"),
        ("m web 12", "not a valid group name"),
        ("u web - %H", "specifiers"),
        ('u web - "open', "quotation"),
    ],
)
def test_errors_have_their_line(line: str, message: str) -> None:
    with pytest.raises(NotosError, match=rf"sysusers\.d/0\.conf:2: .*{message}"):
        made(f"# a comment\n{line}\n")


# The themes of systemd's own tests (test/test-sysusers), in our words.
LIKE_SYSTEMD = [
    "u a 222 -\nu b 300 - /x\ng c 400\n",
    'u a 333 "A word" /home/a /bin/zsh\nu b 334 %o:x\n',
    "g a 777\nu a 777\nu b 777\n",
    "u a 1\nu b 1:nogroup\n",
    "u a 500:daemon\nu b 501:a\nu c 502:1\n",
    "g one 111\nm two one\nm three two\n",
    "u! a 600 'x y'\nu a 601\n",
    "u a 700 -\ng a 701\n",
    "g a 701\nu a 700\n",
    "u %o 710 %w\nu x%w 711\n",
    'u a 720 "back\\\\slash" "/a b" /bin//sh/\nu b 721 "" ""\n',
    "r - 5-9\nu a 7\n",
    "u daemon 9\ng nogroup 9\nm daemon nogroup\n",
    "u a 65534\nu b 4294967295\nu c 07\n",
    "u a 800 a:b\nu a2 801 - a/b\nu a3 802 - /x/../y\nu a4 803 - - sh\n",
    "q a\nu\nu! \nuu a 5\ng! a 5\nm! a b\n",
    "u a 900\nu a 901\ng a 902\n# c\n\n   # d\n;x\n",
]


def test_the_judge_of_rows_is_systemd(tool: Tool, tmp_path: Path) -> None:
    generator = random.Random(15)
    kinds = ("u {} {}", "g {} {}", "m {} {}", 'u! {} {} "x y" /h /bin/sh')
    names = ("a", "b", "c", "daemon", "1a", "x.y")
    numbers = ("-", "400", "401", "402:a", "403:daemon", "404:405", "1", "b", "01")

    def line() -> str:
        return generator.choice(kinds).format(generator.choice(names), generator.choice(numbers)) + "\n"

    generated = ["".join(line() for _ in range(generator.randint(1, 5))) for _ in range(120)]
    for at, text in enumerate([*LIKE_SYSTEMD, *generated]):
        assert _ours(text) == _theirs(text, tool, tmp_path / str(at)), text


def _theirs(text: str, tool: Tool, root: Path) -> tuple[object, ...]:
    (root / "etc/sysusers.d").mkdir(parents=True)
    (root / "etc/passwd").write_text(PASSWD.replace(":*:", ":x:"))
    (root / "etc/group").write_text(GROUP.replace(":*:", ":x:"))
    (root / "etc/os-release").write_text("ID=debian\nVERSION_ID=13\n")
    (root / "etc/sysusers.d/0.conf").write_text(text)
    words = [*tool("systemd-sysusers"), f"--root={root}"]
    environment = {"SYSTEMD_LOG_LEVEL": "err"}
    said = subprocess.run(words, capture_output=True, text=True, check=False, env=environment).stderr
    refused = {int(number) for number in re.findall(r"0\.conf:(\d+): (?!Conflict)", said)}
    failed = bool(re.search("not found|please create GID", said))
    return _summary((root / "etc/passwd").read_text(), (root / "etc/group").read_text(), refused, failed)


def _ours(text: str) -> tuple[object, ...]:
    refused, failed = {number for number, _ in mistakes("0.conf", text)}, False
    kept = ["" if at in refused else line for at, line in enumerate(text.splitlines(), 1)]
    release = {"ID": "debian", "VERSION_ID": "13"}
    try:
        made = accounts({"0.conf": "\n".join(kept)}, passwd=PASSWD, group=GROUP, release=release)
    except NotosError:
        return _summary("", "", refused, True)
    return _summary(made.passwd, made.group, refused, failed)


def _summary(passwd: str, group: str, refused: set[int], failed: bool) -> tuple[object, ...]:
    """Return the rows without automatic numbers, which are ours; nothing but the refusals after a failure."""
    if failed:
        return (refused, failed)

    def hidden(row: list[str], *columns: int) -> list[str]:
        given = [1, 400, 401, 402, 403, 404, 405, 65534, *GIVEN]
        return [each if at not in columns or int(each) in given else "auto" for at, each in enumerate(row)]

    users = [hidden(row, 2, 3) for _, row in sorted(rows(passwd).items())]
    return (users, [hidden(row, 2) for _, row in sorted(rows(group).items())], refused, failed)


GIVEN = (
    222,
    300,
    333,
    334,
    777,
    500,
    501,
    502,
    111,
    600,
    601,
    700,
    701,
    710,
    711,
    720,
    721,
    7,
    0,
    1,
    800,
    801,
)

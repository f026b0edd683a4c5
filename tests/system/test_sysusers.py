"""Accounts from sysusers.d."""

import pytest

from notos.errors import NotosError
from notos.system.sysusers import Accounts, accounts, mistakes

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


def test_an_existing_account_stays() -> None:
    assert rows(made("u daemon 77\n").passwd)["daemon"][2] == "1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u web /usr/bin/web", "not a number"),
        ("x web -", "a line of type x is not understood"),
        ("u web 1:nogroup", "number 1 is taken by daemon"),
        ("u web -:nobody", "there is no group nobody"),
        ("m web daemon", "there is no user web"),
        ("u web - %H", "specifiers"),
        ('u web - "open', "quotation"),
    ],
)
def test_errors_have_their_line(line: str, message: str) -> None:
    with pytest.raises(NotosError, match=rf"sysusers\.d/0\.conf:2: .*{message}"):
        made(f"# a comment\n{line}\n")

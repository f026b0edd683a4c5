"""Mirrors and proxies of real apt-get, the host's and trixie's, before and after an update."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notos.debian import apt, release
from notos.errors import FetchError
from tests.signed_archive import Deb, SignedArchive, serving

MAIN = "http://mirror.example/debian"
SECURITY = "http://security.example/debian-security"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OTHERS = "/etc/apt/keyrings/other.gpg"


@pytest.fixture(params=["host", "tools tree"])
def etc(
    request: pytest.FixtureRequest,
    tool: Callable[[str], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return an empty configuration folder, the only one that apt reads."""
    etc = tmp_path / "etc"
    for each in ("etc/apt.conf.d", "etc/sources.list.d", "etc/preferences.d", "state", "cache"):
        (tmp_path / each).mkdir(parents=True)
    (tmp_path / "cputable").write_text("amd64 x86_64 (amd64|x86_64) 64 little\n")  # of a host without dpkg
    settings = {
        **{f"Dir::{name}": tmp_path / name.lower() for name in ("Etc", "State", "Cache")},
        "Dir::Dpkg::cputable": tmp_path / "cputable",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
    }
    (tmp_path / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    if request.param == "host":
        if shutil.which("apt-get") is None:
            pytest.skip("this host has no apt")
    else:
        for name in ("apt-get", "apt-config"):
            script = tmp_path / "bin" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(f'#!/bin/sh\nexec {shlex.join(tool(name))} "$@"\n')
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return etc


def stanza(address: str, suites: str, *, components: str = "main", signed_by: str = "") -> str:
    lines = [f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: {components}"]
    return "\n".join([*lines, *([f"Signed-By: {signed_by}"] if signed_by else [])]) + "\n\n"


def inline_key() -> str:
    """Return a key of Debian in the form of a deb822 field."""
    lines = sorted(release.KEYS.glob("*.asc"))[0].read_text().strip().splitlines()
    return "".join(f"\n {line or '.'}" for line in lines)


def fingerprint() -> str:
    return str(release.certificates()[0].fingerprint).upper()


DOCKER = stanza("https://download.example/linux/debian", "trixie", components="stable", signed_by=OTHERS)
THIRD = stanza("https://third.example/debian", "trixie", signed_by=OTHERS)
BOTH = ((MAIN,), (SECURITY,))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"debian.sources": stanza(MAIN, "trixie trixie-updates", signed_by=KEYRING)}, ((MAIN,), ())),
        (
            {
                "debian.sources": stanza(MAIN, "trixie trixie-updates trixie-backports", signed_by=KEYRING)
                + stanza(SECURITY, "trixie-security", signed_by=KEYRING)
            },
            BOTH,
        ),
        (
            {
                "a.sources": "# a remark\n" + DOCKER + THIRD,
                "b.sources": stanza(SECURITY, "trixie-security", signed_by=KEYRING)
                + stanza(MAIN, "trixie", signed_by=f"{OTHERS}, {KEYRING}"),
            },
            BOTH,
        ),
        # An address with another end counts where its key is Debian's.
        (
            {"x.sources": stanza("http://host.example/pub/deb/", "sid", signed_by=KEYRING)},
            (("http://host.example/pub/deb",), ()),
        ),
        ({"x.sources": stanza(MAIN, "bookworm", signed_by="KEY")}, ((MAIN,), ())),
        ({"x.sources": stanza(MAIN, "bookworm", signed_by="FINGERPRINT")}, ((MAIN,), ())),
        # One-line entries; what has no key is only likely to be Debian's, and comes last.
        (
            {
                "a.list": "deb http://later.example/debian trixie main\n\n# a remark\n",
                "b.list": f"deb [arch=amd64 signed-by={KEYRING}] {MAIN} trixie main contrib\n"
                f"deb-src [signed-by={KEYRING}] {MAIN} trixie main\ndeb {SECURITY}/ trixie-security main\n",
            },
            ((MAIN, "http://later.example/debian"), (SECURITY,)),
        ),
        ({"a.list": f"deb {MAIN} buster main\ndeb {SECURITY} buster/updates main\n"}, BOTH),
        # Other media, debug symbols and backports are no mirrors of the main archive.
        (
            {
                "a.list": f"deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main\n"
                "deb file:/srv/debian bookworm main\n"
                "deb http://debug.example/debian bookworm-debug main\n"
                "deb http://back.example/debian bookworm-backports main\n"
                "deb http://flat.example/debian ./\n"
                f"deb {MAIN} bookworm main\n"
            },
            ((MAIN,), ()),
        ),
        # Debian's cloud images
        (
            {
                "debian.sources": stanza("mirror+file://MIRRORS", "trixie", signed_by=KEYRING)
                + stanza(SECURITY, "trixie-security", signed_by=KEYRING)
            },
            ((MAIN, "https://second.example/debian"), (SECURITY,)),
        ),
    ],
)
def test_before_an_update(
    etc: Path, files: dict[str, str], expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    mirrors = etc / "mirrors.list"
    mirrors.write_text(f"# near\nhttps://second.example/debian\tpriority:2\n{MAIN}/ priority:1 arch:amd64\n")
    for name, text in files.items():
        filled = text.replace("MIRRORS", str(mirrors)).replace("FINGERPRINT", fingerprint())
        (etc / "sources.list.d" / name).write_text(filled.replace(" KEY\n", f"{inline_key()}\n"))
    found = apt.read()
    assert (found.main, found.security) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deb http://mirror.example/ubuntu noble main\n",
        "deb http://mirror.example/kali kali-rolling main\n",
        f"deb [signed-by={OTHERS}] http://third.example/debian trixie main\n",
        "deb mirror+file:/nonexistent trixie main\n",
        f"deb {SECURITY} trixie-security main\n",
    ],
)
def test_an_apt_without_debian(etc: Path, text: str) -> None:
    (etc / "sources.list").write_text(text)
    with pytest.raises(FetchError, match="no mirror of Debian"):
        apt.read()


def test_a_keyring_of_another_name_that_holds_debian_s_key(etc: Path, tmp_path: Path) -> None:
    keyring = tmp_path / "company.asc"
    keyring.write_bytes(sorted(release.KEYS.glob("*.asc"))[0].read_bytes())
    (tmp_path / "junk.gpg").write_bytes(b"junk")
    (etc / "sources.list").write_text(
        f"deb [signed-by={tmp_path / 'junk.gpg'}] http://junk.example/debian trixie main\n"
        f"deb [signed-by={keyring}] http://host.example/mirrored trixie main\n"
    )
    assert apt.read().main == ("http://host.example/mirrored",)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Yield the address of an archive with the label Debian, at a path that does not end with debian."""
    archive = SignedArchive(tmp_path / "signed")
    archive.publish([Deb("bash")], fields={"Label": "Debian", "Architectures": "amd64", "Components": "main"})
    with serving(archive.root) as server:
        (archive.root / "debian").rename(archive.root / "copied")
        yield server.url


@pytest.mark.parametrize("etc", ["host"], indirect=True)
def test_after_an_update(etc: Path, served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Release identifies a third party's mirror of Debian, whatever its address and key."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (etc / "sources.list").write_text(
        f"deb [signed-by={tmp_path}/signed/keys/test.asc] {served}/copied trixie main\n"
    )
    with pytest.raises(FetchError, match="no mirror of Debian"):
        apt.read()
    subprocess.run(["apt-get", "update"], check=True, capture_output=True)
    assert apt.read().main == (f"{served}/copied",)
    # What is added after the update counts too, behind it.
    with (etc / "sources.list").open("a") as stream:
        stream.write(f"deb {MAIN} trixie main\ndeb {SECURITY} trixie-security main\n")
    found = apt.read()
    assert (found.main, found.security) == ((f"{served}/copied", MAIN), (SECURITY,))


def test_proxies(etc: Path) -> None:
    (etc / "sources.list").write_text(f"deb {MAIN} trixie main\n")
    (etc / "apt.conf.d/proxy").write_text(
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::http::Proxy::direct.example "DIRECT";\n'
        'Acquire::https::Proxy::safe.example "http://other.example:8080";\n'
    )
    assert apt.read().proxies == {
        "http": "http://proxy.example:3128",
        "https": "http://proxy.example:3128",
        "http://direct.example": "",
        "https://direct.example": "",
        "https://safe.example": "http://other.example:8080",
    }


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo http://proxy.example:3142", dict.fromkeys(("http", "https"), "http://proxy.example:3142")),
        (
            f'[ "$1" = {MAIN}/ ] && echo http://p.example:1',
            dict.fromkeys(("http", "https"), "http://p.example:1"),
        ),
        ("echo DIRECT", {}),
        ("exit 1", {}),
    ],
)
def test_a_proxy_that_a_program_finds(
    etc: Path, tmp_path: Path, script: str, expected: dict[str, str]
) -> None:
    program = tmp_path / "detect"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (etc / "sources.list").write_text(f"deb {MAIN} trixie main\n")
    (etc / "apt.conf.d/proxy").write_text(f'Acquire::http::Proxy-Auto-Detect "{program}";\n')
    assert apt.read().proxies == expected
    with (etc / "apt.conf.d/proxy").open("a") as stream:
        stream.write('Acquire::http::Proxy "http://set.example:3128";\n')
    assert apt.read().proxies["http"] == "http://set.example:3128"


def test_an_apt_that_fails(etc: Path) -> None:
    (etc / "sources.list").write_text("nonsense\n")
    with pytest.raises(FetchError, match="this host's apt fails: E: ") as caught:
        apt.read()
    assert "\n" not in caught.value.message

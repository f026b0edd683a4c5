"""A small signed archive: what is believed of it, and what is not."""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pysequoia
import pytest

from notos.architecture import AMD64
from notos.cache import Cache
from notos.config.model import ComponentName, SuiteName
from notos.debian import release
from notos.debian.archive import Archive
from notos.debian.download import Retries, fetch
from notos.debian.index import Index
from notos.debian.mirror import Mirrors
from notos.errors import FetchError, LockError, SignatureError
from notos.lock.candidates import Candidates
from tests.other_architecture import OTHER
from tests.signed_archive import SUITE, Deb, Fault, Server, SignedArchive, serving, stamp

ROOT = Path(__file__).resolve().parents[2]
BASH = Deb("bash", "5.2-1", depends="libc6 (>= 2.38)", files={"usr/bin/bash": b"bash"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SignedArchive:
    return SignedArchive(tmp_path_factory.mktemp("signed"))


@pytest.fixture
def signed(made: SignedArchive) -> SignedArchive:
    """Return the archive, with bash in the main suite and nothing in the others."""
    made.publish([BASH])
    for suite in ("updates", "security"):
        made.publish([], suite=f"{SUITE}-{suite}")
    return made


@pytest.fixture
def server(signed: SignedArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(signed.root) as server:
        yield server


@pytest.fixture
def archive(signed: SignedArchive, server: Server, tmp_path: Path) -> Archive:
    return Archive(
        server.debian(), Cache(tmp_path / "cache"), AMD64, keys=signed.keys, retries=Retries(2, 0.0)
    )


def test_a_package_from_the_index_to_the_deb(archive: Archive, server: Server) -> None:
    assert server.requests == []
    found = archive.newest("bash")
    assert found is not None
    assert (found.name, found.version, found.architecture) == ("bash", "5.2-1", "amd64")
    assert (found.origin, found.depends) == ("main", "libc6 (>= 2.38)")
    fetch([found.download(archive.mirrors)], archive.cache)
    data = archive.cache.download(found.sha256).read_bytes()
    assert data == BASH.build()
    assert archive.newest("dash") is None
    assert archive.names() == {"bash"}


def test_an_index_is_downloaded_once(archive: Archive, server: Server) -> None:
    archive.newest("bash")
    again = replace(archive)
    assert again.newest("bash")
    packages = [path for path, _ in server.requests if "/by-hash/" in path]
    # The two empty indexes have one hash.
    assert len(packages) == len(set(packages)) == 2
    assert len(server.asked("InRelease")) == 6


def test_without_by_hash(archive: Archive, signed: SignedArchive, server: Server) -> None:
    signed.publish([BASH], by_hash=False)
    assert archive.newest("bash")
    assert server.asked(f"dists/{SUITE}/main/binary-amd64/Packages.xz") == [None]


def test_the_newest_version_wins_over_suites(archive: Archive, signed: SignedArchive) -> None:
    signed.publish([Deb("aa", "1.0-1"), Deb("bb", "1.10"), Deb("bb", "1.9"), Deb("cc", "3")])
    signed.publish([Deb("aa", "1.0-1+deb13u1"), Deb("cc", "2")], suite=f"{SUITE}-security")
    signed.publish([Deb("aa", "1.0-1+deb13u2~rc1"), Deb("dd", "1")], suite=f"{SUITE}-updates")
    found = {name: archive.newest(name) for name in ("aa", "bb", "cc", "dd")}
    assert {name: each and (each.version, each.origin) for name, each in found.items()} == {
        "aa": ("1.0-1+deb13u2~rc1", "main"),
        "bb": ("1.10", "main"),
        "cc": ("3", "main"),
        "dd": ("1", "main"),
    }
    assert archive.names() == set(found)


def test_a_package_of_the_security_archive(archive: Archive, signed: SignedArchive) -> None:
    signed.publish([Deb("bash", "5.2-2")], suite=f"{SUITE}-security")
    found = archive.newest("bash")
    assert found is not None
    assert found.origin == "security"
    assert "/debian-security/pool/" in found.download(archive.mirrors).url
    fetch([found.download(archive.mirrors)], archive.cache)


def test_providers(archive: Archive, signed: SignedArchive) -> None:
    signed.publish(
        [
            Deb("mawk", provides="awk"),
            Deb("gawk", provides="other, awk (= 5)"),
            Deb("hawk", provides="hawk-awk, awkward"),
            Deb("awk-doc"),
            Deb("old", "1", provides="awk"),
        ]
    )
    signed.publish([Deb("old", "2")], suite=f"{SUITE}-updates")
    assert [each.name for each in archive.providers("awk")] == ["gawk", "mawk"]
    assert archive.providers("nothing") == []


INDEX = """Version: 1
PACKAGE:one
Provides: awk,
 virtual (= 2),
\tother
Depends: libc6,
 data
 \t
package: two
Provides: virtually\r
Version: 1\r
\r
Package:  three
Version: 1
Recommends:
 data,
 one | data"""


@pytest.mark.parametrize("size", [1, 1000])
def test_an_index_with_folds_blanks_and_names_in_any_case(size: int) -> None:
    data = INDEX.encode()
    index = Index(data[at : at + size] for at in range(0, len(data), size))
    assert list(index.names()) == ["one", "two", "three"]
    (one,) = index.stanzas("one")
    assert (one["Version"], one["Package"], one["Depends"]) == ("1", "one", "libc6, data")
    assert one["Provides"] == "awk, virtual (= 2), other"
    assert [each["Version"] for name in ("two", "three") for each in index.stanzas(name)] == ["1", "1"]
    assert [list(index.providers(each)) for each in ("other", "virtual")] == [["one"], ["one", "two"]]
    assert index.needed() == {"libc6": 1, "data": 2, "one": 1}


def test_relations_for_other_architectures_are_left_out(archive: Archive, signed: SignedArchive) -> None:
    depends = "libc6 (>> 1), a [amd64] | b [!amd64], c [!linux-any], d <!nocheck>, e <cross>"
    signed.publish([Deb("odd", depends=depends, conflicts="x [!any]", provides="y (= 1)")])
    found = archive.newest("odd")
    assert found is not None
    assert (found.depends, found.conflicts, found.provides) == ("libc6 (>> 1), a, d", "", "y (= 1)")


def test_packages_with(archive: Archive, signed: SignedArchive) -> None:
    signed.publish(
        [
            Deb("libfoo1", files={"usr/lib/libfoo.so.1": b"", "usr/share/doc/libfoo.so.1/x": b""}),
            Deb("libfoo-dev", files={"usr/lib/libfoo.so": b""}),
            Deb("other", files={"usr/lib/libfoo.so.1.2": b"", "usr/lib/xlibfoo.so.1": b""}),
        ]
    )
    assert archive.packages_with("libfoo.so.1") == ["libfoo1"]


def test_packages_with_of_a_package_for_all_architectures(archive: Archive, signed: SignedArchive) -> None:
    """They are in another file than those of the machine's architecture, which Debian's Contents lack."""
    unit = "usr/lib/systemd/system/guard.service"
    signed.publish([Deb("guard", architecture="all", files={unit: b""}), Deb("libfoo1", files={"x": b""})])
    assert archive.packages_with("guard.service") == ["guard"]


def replace_contents(signed: SignedArchive, data: bytes | None) -> None:
    """Replace all Contents files, which are the only ones of gzip, by one that no Release lists."""
    for path in signed.root.glob("debian*/dists/*/main/**/*"):
        if path.is_file() and path.read_bytes()[:2] == b"\x1f\x8b":
            path.unlink()
    if data is not None:
        (signed.root / f"debian/dists/{SUITE}/main/Contents-amd64.gz").write_bytes(gzip.compress(data))


@pytest.mark.parametrize("by_hash", [True, False])
def test_contents_of_another_day(archive: Archive, signed: SignedArchive, by_hash: bool) -> None:
    """A mirror may have older Contents than its Release lists; no name of them counts that is not signed."""
    unit = "usr/lib/systemd/system/smbd.service"
    signed.publish([Deb("samba", files={unit: b""})], by_hash=by_hash)
    replace_contents(signed, f"{unit}  net/samba,net/evil\n".encode())
    assert archive.packages_with("smbd.service") == ["samba"]


def test_contents_that_no_mirror_has(archive: Archive, signed: SignedArchive) -> None:
    replace_contents(signed, None)
    with pytest.raises(FetchError, match=r"no longer has Contents-amd64\.gz"):
        archive.packages_with("smbd.service")


def refused(archive: Archive) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        archive.newest("bash")
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


def test_a_key_that_we_do_not_ship(archive: Archive, signed: SignedArchive) -> None:
    signed.publish([BASH], key=pysequoia.Tsk.generate(user_id="Somebody else"))
    assert f"dists/{SUITE}/InRelease has no good signature" in refused(archive).message


def test_the_shipped_keys_do_not_take_a_test_key(archive: Archive) -> None:
    assert "no good signature" in refused(replace(archive, keys=release.KEYS)).message


@pytest.mark.parametrize("change", [(b"Codename", b"Codemane"), (b"PGP SIGNED", b"PGP SIGNAD"), (b"\n", b"")])
def test_a_changed_release(archive: Archive, signed: SignedArchive, change: tuple[bytes, bytes]) -> None:
    path = signed.in_release()
    path.write_bytes(path.read_bytes().replace(*change))
    assert "no good signature" in refused(archive).message


def test_what_stands_around_the_signed_text_is_not_read(archive: Archive, signed: SignedArchive) -> None:
    path = signed.in_release()
    evil = b"Codename: evil\nSHA256:\n " + b"0" * 64 + b" 1 main/binary-amd64/Packages.xz\n"
    path.write_bytes(evil + b"\n" + path.read_bytes() + b"\n" + evil)
    assert archive.newest("bash")


def test_a_changed_index(archive: Archive, server: Server) -> None:
    server.faults["/by-hash/SHA256/" + index_hash(archive)] = ["wrong"]
    assert "Packages.xz of trixie" in refused(archive).message


def test_an_index_that_was_damaged_in_the_cache(archive: Archive) -> None:
    archive.newest("bash")
    path = archive.cache.download(index_hash(archive))
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(FetchError, match="is damaged") as caught:
        replace(archive).newest("bash")
    assert str(path) in caught.value.message
    path.unlink()
    assert replace(archive).newest("bash")


def index_hash(archive: Archive) -> str:
    listed = archive._suites[0].release.files["main/binary-amd64/Packages.xz"]
    return listed.sha256


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ({"Valid-Until": stamp(NOW - timedelta(hours=1))}, "was valid until", "clock"),
        ({"Date": stamp(NOW + timedelta(days=2))}, "this host's clock shows", "clock"),
        ({"Valid-Until": "yesterday"}, "has an invalid date", "mirror"),
        ({"Codename": "bookworm", "Suite": "oldstable"}, "is of the suite oldstable (bookworm)", "suite"),
        ({"Codename": None, "Suite": None}, "not of trixie", "suite"),
    ],
)
def test_a_good_signature_is_not_enough(
    archive: Archive, signed: SignedArchive, fields: Mapping[str, str | None], message: str, hint: str
) -> None:
    signed.publish([BASH], fields=fields)
    error = refused(archive)
    assert message in error.message
    assert hint in error.hint


def test_an_expired_release_on_request(archive: Archive, signed: SignedArchive) -> None:
    signed.publish([BASH], fields={"Valid-Until": stamp(NOW - timedelta(hours=1))})
    assert "check_valid_until" in refused(archive).hint
    assert replace(archive, debian=replace(archive.debian, check_valid_until=False)).newest("bash")


def test_a_release_without_an_end(archive: Archive, signed: SignedArchive) -> None:
    signed.publish([BASH], fields={"Valid-Until": None})
    assert archive.newest("bash")


def test_a_suite_by_its_other_name(archive: Archive, signed: SignedArchive) -> None:
    for end in ("", "-updates", "-security"):
        source = signed.in_release(SUITE + end).parent
        source.with_name(f"stable{end}").symlink_to(source)
    assert replace(archive, debian=replace(archive.debian, suite=SuiteName("stable"))).newest("bash")


@pytest.mark.parametrize("end", ["", "-updates", "-security"])
def test_a_missing_suite(archive: Archive, server: Server, end: str) -> None:
    server.faults[f"{SUITE}{end}/InRelease"] = ["404"]
    with pytest.raises(FetchError, match=f"no suite {SUITE}{end} at") as caught:
        archive.newest("bash")
    assert ("security_mirror" in caught.value.hint) == (end == "-security")


def test_a_missing_index(archive: Archive, server: Server) -> None:
    server.faults[index_hash(archive)] = ["404"]
    with pytest.raises(FetchError, match=r"no longer has Packages.xz of trixie") as caught:
        archive.newest("bash")
    assert "try again" in caught.value.hint


def test_a_missing_component(archive: Archive) -> None:
    debian = replace(archive.debian, components=(ComponentName("main"), ComponentName("contrib")))
    with pytest.raises(LockError, match="has no contrib/binary-amd64/Packages") as caught:
        replace(archive, debian=debian).newest("bash")
    assert "components" in caught.value.hint


def test_packages_are_those_of_the_architecture(archive: Archive) -> None:
    with pytest.raises(LockError, match="has no main/binary-other/Packages"):
        replace(archive, architecture=OTHER).newest("bash")


def test_a_mirror_that_carries_main_alone(archive: Archive, signed: SignedArchive, server: Server) -> None:
    """Components that Release lists and the mirror lacks are read for hints only."""
    absent = [f"{component}/binary-amd64/Packages.xz" for component in ("contrib", "non-free")]
    for end in ("", "-updates"):
        signed.publish([BASH] if not end else [], suite=SUITE + end, absent=absent)
    with pytest.raises(LockError) as caught:
        Candidates({}, archive).requested({"system": ["bahs", "zzzzz"]})
    assert [each.hint for each in caught.value.parts] == [
        "did you mean bash?",
        "check its name and debian.components in the config",
    ]
    assert archive.component_with("bahs") == ""
    assert len([path for path, _ in server.requests if "/contrib/" in path]) <= 4, "once for all hints"


def test_what_is_wrong_with_all_mirrors_keeps_its_place_in_the_config(
    fallback: tuple[Archive, Server], server: Server
) -> None:
    archive, other = fallback
    for each in (server, other):
        each.faults[f"{SUITE}/InRelease"] = ["404"] * 20
    with pytest.raises(FetchError, match=r"no suite .* failed too") as caught:
        archive.newest("bash")
    assert caught.value.keys == ("debian", "suite")


def test_a_mirror_that_recovers(archive: Archive, server: Server) -> None:
    server.faults = {f"{SUITE}/InRelease": ["500"], "security/InRelease": ["cut"]}
    assert archive.newest("bash")


@pytest.fixture
def fallback(tmp_path: Path, signed: SignedArchive, archive: Archive) -> Iterator[tuple[Archive, Server]]:
    """Yield the archive and its fallback mirror, which has another version of bash."""
    newer = SignedArchive(tmp_path / "fallback")
    for end in ("", "-updates", "-security"):
        newer.publish([replace(BASH, version="5.3-1")] if not end else [], suite=SUITE + end, key=signed.key)
    with serving(newer.root) as other:
        first, address = archive.mirrors, f"{other.url}/debian"
        where = replace(first, others=(Mirrors(address, f"{address}-security"),), pinned=False)
        yield replace(archive, where=lambda _: where), other


@pytest.mark.parametrize("fault", ["500", "404", "wrong"])
@pytest.mark.parametrize("end", ["", "-updates", "-security"])
def test_all_suites_come_from_the_first_mirror_that_has_them(
    fallback: tuple[Archive, Server], server: Server, fault: Fault, end: str
) -> None:
    archive, other = fallback
    server.faults[f"{SUITE}{end}/InRelease"] = [fault] * 9
    found = archive.newest("bash")
    assert found is not None
    assert found.version == "5.3-1"
    assert len(other.asked("InRelease")) == 3
    fetch([found.download(archive.mirrors)], archive.cache)
    assert archive.cache.download(found.sha256).is_file()


def test_a_fallback_mirror_is_left_alone_while_the_first_one_works(
    fallback: tuple[Archive, Server], server: Server
) -> None:
    archive, other = fallback
    found = archive.newest("bash")
    assert found is not None
    assert found.version == "5.2-1"
    assert other.requests == []


def test_a_mirror_that_the_config_names_is_the_only_one_to_choose_from(
    fallback: tuple[Archive, Server], server: Server
) -> None:
    archive, _ = fallback
    server.faults[f"{SUITE}/InRelease"] = ["404"]
    where = replace(archive.mirrors, pinned=True)
    with pytest.raises(FetchError, match="no suite"):
        replace(archive, where=lambda _: where).newest("bash")


def test_no_mirror_works(fallback: tuple[Archive, Server], server: Server) -> None:
    archive, other = fallback
    for each in (server, other):
        each.faults["InRelease"] = ["500"] * 20
    with pytest.raises(FetchError, match=r"answers 500 .* \(the fallback mirror failed too\)"):
        archive.newest("bash")


def test_index() -> None:
    first = b"Package: a\nDepends: b,\n c\nProvides: v\n"
    second = b"Package: aa\nDescription: x\n Package: a\n"
    index = Index([first, b"\n", second, b"\nPackage: a\nVer", b"sion: 2"])
    assert list(index.names()) == ["a", "aa"]
    assert [dict(each) for each in index.stanzas("a")] == [
        {"Package": "a", "Depends": "b, c", "Provides": "v"},
        {"Package": "a", "Version": "2"},
    ]
    assert list(index.providers("v")) == ["a"]
    assert list(index.stanzas("b")) == []
    assert list(Index([]).names()) == []


def test_the_shipped_keys_are_those_of_the_docs() -> None:
    said = (ROOT / "docs/keys.md").read_text()
    fingerprints = {re.sub(r"\s", "", each).lower() for each in re.findall(r"`([0-9A-F ]{49})`", said)}
    certs = [*release.certificates(), *release.certificates(release.KEYS / "ubuntu")]
    assert {each.fingerprint for each in certs} == fingerprints
    assert len(fingerprints) == 7


def test_the_hash_in_a_stanza_is_that_of_the_deb(archive: Archive) -> None:
    found = archive.newest("bash")
    assert found is not None
    assert found.sha256 == hashlib.sha256(BASH.build()).hexdigest()

"""Further sources: repositories as in the field, each believed by its own key and for its own names alone."""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notos.architecture import AMD64
from notos.cache import Cache
from notos.config.model import (
    ArchiveSuite,
    ComponentName,
    PackagePattern,
    PackageSource,
    SourceFile,
    SourceUrl,
)
from notos.debian import policy
from notos.debian.archive import Archive
from notos.debian.download import Retries, fetch
from notos.debian.mirror import Mirrors
from notos.errors import FetchError, LockError, NotosError, SignatureError
from notos.lock.candidates import Candidates
from tests import third_party
from tests.signed_archive import SUITE, Deb, Fault, Server, SignedArchive, serving, stamp
from tests.third_party import NOW, Repository

TOOL = Deb("tool", "1")


@dataclass
class World:
    """A Debian archive, and third parties beside it on the same server."""

    signed: SignedArchive
    server: Server
    folder: Path
    made: list[PackageSource] = field(default_factory=list)

    def party(self, name: str = "third") -> Repository:
        return Repository(self.signed.root / name)

    def source(self, party: Repository | None, *packages: str, **values: Any) -> PackageSource:
        """Return a source, by default of the suite stable, with the key of the party in a file."""
        given: dict[str, Any] = {"suites": ("stable",), **values}
        if party is not None:
            given.setdefault("url", SourceUrl(f"{self.server.url}/{party.root.name}"))
            path = self.folder / f"{party.root.name}.asc"
            given.setdefault("key", SourceFile(str(path)))
            if not path.exists():
                party.key_file(path)
        given["suites"] = tuple(map(ArchiveSuite, given["suites"]))
        return PackageSource(packages=tuple(map(PackagePattern, packages)), **given)

    def archive(self, *sources: PackageSource) -> Archive:
        debian = replace(self.server.debian(), sources=sources)
        cache = Cache(self.folder / "cache")
        return Archive(debian, cache, AMD64, keys=self.signed.keys, retries=Retries(1, 0.0))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> SignedArchive:
    return SignedArchive(tmp_path_factory.mktemp("signed"))


@pytest.fixture
def world(signed: SignedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    signed.publish([TOOL, Deb("libc6", "2.41")])
    with serving(signed.root) as server:
        yield World(signed, server, tmp_path)


def version(archive: Archive, name: str) -> str:
    found = archive.newest(name)
    return f"{found.version} of {found.source}" if found else "none"


# --- layouts


@pytest.mark.parametrize(
    ("suite", "options", "components"),
    [
        ("stable", {}, ("main",)),
        ("nodistro", {"compressions": ("", ".gz", ".bz2")}, ("main",)),
        ("trixie", {"components": ("stable", "test"), "compressions": (".bz2",)}, ("stable", "test")),
        ("trixie-pgdg", {"compressions": ("", ".xz"), "by_hash": True}, ("main",)),
        ("trixie/updates", {"fields": {"Suite": "trixie", "Codename": None}}, ("main",)),
        ("stable", {"detached": True}, ("main",)),
        ("./", {"compressions": ("",)}, ("main",)),
        ("./", {"detached": True}, ("main",)),
        ("binary/", {}, ("main",)),
        ("/", {"compressions": (".xz",), "fields": {"Suite": "whatever"}}, ("main",)),
    ],
)
def test_layouts(
    world: World, tmp_path: Path, suite: str, options: Mapping[str, Any], components: Sequence[str]
) -> None:
    """A package is found and downloaded from repositories of each layout."""
    party = world.party(f"party{abs(hash((suite, str(options))))}")
    party.publish(
        Deb("tool", "2"), Deb("tool-arm", architecture="arm64"), suite=suite.lstrip("/") or "./", **options
    )
    source = world.source(party, "tool*", suites=(suite,), components=tuple(map(ComponentName, components)))
    archive = world.archive(source)
    found = archive.newest("tool")
    assert found is not None
    assert (found.version, found.origin, found.suite) == ("2", source.url, suite)
    assert archive.newest("tool-arm") is None
    fetch([found.download(archive.mirrors)], archive.cache)
    assert archive.cache.download(found.sha256).read_bytes() == Deb("tool", "2").build()


def test_an_archive_that_lacks_its_by_hash_names(world: World) -> None:
    party = world.party("careless")
    party.publish(Deb("tool", "2"), fields={"Acquire-By-Hash": "yes"})
    assert version(world.archive(world.source(party, "tool")), "tool").startswith("2 of ")


def test_suites_of_the_distribution_need_neither_url_nor_key(world: World) -> None:
    world.signed.publish([Deb("tool", "2"), Deb("libc6", "3")], suite=f"{SUITE}-backports")
    world.signed.publish([Deb("old", "1")], suite="bookworm")
    world.signed.publish([Deb("old", "1.1")], suite="bookworm-security")
    archive = world.archive(
        world.source(None, "tool", suites=(f"{SUITE}-backports",)),
        world.source(None, "old", suites=("bookworm", "bookworm-security")),
    )
    assert version(archive, "tool") == f"2 of {SUITE}-backports"
    assert version(archive, "libc6") == "2.41 of the release"
    found = archive.newest("old")
    assert found is not None
    assert (found.version, found.origin, found.suite) == ("1.1", "security", "bookworm-security")
    fetch([found.download(archive.mirrors)], archive.cache)


@pytest.fixture
def other_mirror(world: World, tmp_path: Path) -> Iterator[tuple[Mirrors, Server]]:
    """Yield mirrors with a fallback, which has a newer tool in the backports, and the fallback."""
    other = SignedArchive(tmp_path / "other")
    key = world.signed.key
    other.publish([Deb("tool", "3")], suite=f"{SUITE}-backports", key=key)
    world.signed.publish([Deb("tool", "2")], suite=f"{SUITE}-backports")
    with serving(other.root) as server:
        first = world.archive().mirrors
        address = f"{server.url}/debian"
        yield replace(first, others=(Mirrors(address, f"{address}-security"),), pinned=False), server


@pytest.mark.parametrize("fault", ["500", "404", "wrong"])
def test_a_suite_of_the_distribution_comes_from_the_first_mirror_that_has_it(
    world: World, other_mirror: tuple[Mirrors, Server], fault: Fault
) -> None:
    mirrors, other = other_mirror
    source = world.source(None, "tool", suites=(f"{SUITE}-backports",))
    archive = replace(world.archive(source), where=lambda _: mirrors)
    assert version(archive, "tool").startswith("2 of ")
    assert other.requests == []
    world.server.faults["backports/InRelease"] = [fault] * 9
    archive = replace(archive)
    found = archive.newest("tool")
    assert found is not None
    assert found.version == "3"
    fetch([found.download(archive.mirrors)], archive.cache)
    world.server.faults["backports/InRelease"] = [fault] * 9
    with pytest.raises(FetchError):
        replace(archive, where=lambda _: replace(mirrors, pinned=True)).newest("tool")
    other.faults["backports/InRelease"] = ["500"] * 9
    with pytest.raises(FetchError, match=r"the fallback mirror failed too"):
        replace(archive).newest("tool")


# --- keys


def test_each_source_is_verified_by_its_own_key_alone(world: World) -> None:
    """Neither Debian's keys nor those of another source vouch for a source, and a source's not for Debian."""
    one, two = world.party("one"), world.party("two")
    one.publish(TOOL)
    two.publish(TOOL)
    for key in (two.keys[0], world.signed.key):
        forged = Repository(one.root, [key])
        forged.publish(Deb("tool", "9"))
        for detached in (False, True):
            forged.publish(Deb("tool", "9"), detached=detached)
            with pytest.raises(SignatureError, match=r"no good signature by a key in .*one\.asc") as caught:
                world.archive(
                    world.source(Repository(one.root, one.keys), "tool"), world.source(two, "tool")
                ).newest("tool")
            assert caught.value.keys == ("debian", "sources", "[0]")
    world.signed.publish([TOOL], key=two.keys[0])
    with pytest.raises(SignatureError, match="no good signature by a key of Debian's archive"):
        world.archive(world.source(two, "tool")).newest("tool")


@pytest.mark.parametrize("armored", [True, False])
@pytest.mark.parametrize("detached", [True, False])
def test_a_file_with_several_keys(world: World, tmp_path: Path, armored: bool, detached: bool) -> None:
    """One good signature by any of them is enough."""
    keys = [third_party.new_key(name) for name in "abc"]
    party = Repository(world.signed.root / "several", [keys[2], *([keys[0]] if detached else [])])
    party.publish(Deb("tool", "2"), detached=detached)
    path = tmp_path / "keys"
    path.write_bytes(third_party.certificate(*keys[1:], armored=armored))
    archive = world.archive(world.source(party, "tool", key=SourceFile(str(path))))
    assert version(archive, "tool").startswith("2 of ")
    path.write_bytes(third_party.certificate(keys[1], armored=armored))
    with pytest.raises(SignatureError, match="no good signature"):
        world.archive(world.source(party, "tool", key=SourceFile(str(path)))).newest("tool")


def test_a_release_whose_text_was_altered(world: World) -> None:
    party = world.party("altered")
    source = world.source(party, "tool")
    for name, detached in (("InRelease", False), ("Release", True)):
        party.publish(Deb("tool", "2"), detached=detached)
        path = party.root / "dists/stable" / name
        path.write_bytes(path.read_bytes().replace(b"Third party", b"Other party"))
        with pytest.raises(SignatureError, match="no good signature"):
            world.archive(source).newest("tool")


def test_a_release_without_a_signature(world: World) -> None:
    party = world.party("unsigned")
    party.publish(TOOL, detached=True)
    (party.root / "dists/stable/Release.gpg").unlink()
    with pytest.raises(FetchError, match=r"Release has no signature: Release.gpg does not exist"):
        world.archive(world.source(party, "tool")).newest("tool")


def gpg_key(folder: Path, *words: str) -> bytes:
    """Return a certificate that gpg makes, for kinds that this Sequoia does not."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    run = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", "--quiet"]
    made = subprocess.run([*run, *words], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"this gpg makes no such key: {made.stderr.decode()}")
    return subprocess.run([*run, "--armor", "--export"], capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--faked-system-time 20200101T000000 --quick-gen-key x ed25519 sign 1y", "expired on 2020-12-31"),
        ("--cert-digest-algo SHA1 --quick-gen-key x rsa2048 sign never", "is too weak: SHA1"),
        ("--quick-gen-key x rsa1024 sign never", "is too weak: "),
    ],
    ids=["expired", "sha1", "rsa1024"],
)
def test_keys_that_verify_nothing(world: World, tmp_path: Path, words: str, message: str) -> None:
    path = tmp_path / "bad.asc"
    path.write_bytes(gpg_key(tmp_path, *words.split()))
    party = world.party("badkey")
    party.publish(TOOL)
    with pytest.raises(SignatureError) as caught:
        world.archive(world.source(party, "tool", key=SourceFile(str(path)))).newest("tool")
    assert message in caught.value.message
    assert "\n" not in str(caught.value)
    # With a good key beside it, the fault is a hint of a signature that is not good.
    path.write_bytes(path.read_bytes() + third_party.certificate(third_party.new_key()))
    with pytest.raises(SignatureError, match="no good signature") as caught:
        world.archive(world.source(party, "tool", key=SourceFile(str(path)))).newest("tool")
    assert message in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"junk\n", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n"])
def test_files_that_are_no_keys(world: World, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "no.asc"
    path.write_bytes(data)
    party = world.party("nokey")
    party.publish(TOOL)
    with pytest.raises(SignatureError, match=r"no\.asc (is not an|has no) OpenPGP key") as caught:
        world.archive(world.source(party, "tool", key=SourceFile(str(path)))).newest("tool")
    assert "\n" not in str(caught.value)


# --- indexes that are not trustworthy


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"fields": {"Valid-Until": stamp(NOW - timedelta(hours=1))}}, SignatureError, "was valid until"),
        ({"fields": {"Date": stamp(NOW + timedelta(days=2))}}, SignatureError, "clock"),
        ({"fields": {"Suite": "other", "Codename": "other"}}, SignatureError, "is of the suite other"),
        (
            {"fields": {"SHA256": None, "MD5Sum": "\n 0 0 Packages"}},
            SignatureError,
            "lists no files by",
        ),
        ({"components": ("other",)}, LockError, "lists no main/binary-amd64/Packages"),
        ({"stanzas": lambda text: text.replace("SHA256: ", "SHA1: ")}, LockError, "has no SHA256 for tool"),
        (
            {"stanzas": lambda text: text.replace("./", "").replace("pool/", "../")},
            LockError,
            "invalid filename",
        ),
        (
            {"stanzas": lambda text: text.replace("pool/", "https://evil.example/")},
            LockError,
            "invalid filename",
        ),
    ],
)
def test_indexes_that_are_not_trustworthy(
    world: World, options: Mapping[str, Any], kind: type[NotosError], message: str
) -> None:
    party = world.party("bad")
    party.publish(Deb("tool", "2"), **options)
    with pytest.raises(kind) as caught:
        world.archive(world.source(party, "tool")).newest("tool")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Version: 2", "Note: x"), "has no Version for tool"),
        (("Version: 2", "Version:"), "has no Version for tool"),
        (("Version: 2", "Version: a b"), "invalid stanza of tool: Invalid version string 'a b'"),
        (("Version: 2", "Version: a:b"), "invalid stanza of tool: Invalid version string 'a:b'"),
        (("Version: 2", "Version: a"), "package tool: invalid version: 'a'"),
        (("Size: ", "Size: x"), "invalid stanza of tool in the index: "),
        (("Size: ", "Size: -"), "package tool: invalid size"),
        (("Filename: ", "Name: "), "has no Filename for tool"),
        (("Architecture: amd64\n", ""), "has no Architecture for tool"),
        (("SHA256: ", "SHA1: "), "has no SHA256 for tool"),
        (("Depends: libc6", "Depends: libc6 ((="), "invalid relation: 'libc6 ((='"),
        (("Conflicts: no", "Conflicts: no ("), "invalid relation: 'no ('"),
        (("Provides: api", "Provides: api ("), "invalid relation: 'api ('"),
    ],
)
def test_a_broken_stanza_is_an_error_of_its_source(
    world: World, change: tuple[str, str], message: str
) -> None:
    broken, good = world.party("broken"), world.party("whole")
    good.publish(Deb("other"))
    broken.publish(
        Deb("tool", "2", depends="libc6", provides="api", conflicts="no"),
        Deb("tool-x"),
        stanzas=lambda text: text.replace(*change, 1),
    )
    archive = world.archive(world.source(good, "other"), world.source(broken, "tool*"))
    with pytest.raises(LockError) as caught:
        archive.newest("tool")
    assert message in caught.value.message
    assert caught.value.keys == ("debian", "sources", "[1]")
    assert archive.newest("tool-x") is not None


def test_a_name_that_is_not_utf_8(world: World) -> None:
    """Such a package cannot be named; the others of the index can."""
    party = world.party("latin1")
    party.publish(
        Deb("tool", "2"),
        Deb("tool-\u00fc", "2"),
        Deb("tool-x"),
        compressions=("",),
        encoding="latin-1",
    )
    archive = world.archive(world.source(party, "tool*"))
    assert {"tool", "tool-x"} == {each for each in archive.names() if each.startswith("tool")}
    assert version(archive, "tool").startswith("2 of ")


@pytest.mark.parametrize("fault", ["wrong", "longer", "cut", "404"])
def test_an_index_that_is_not_the_signed_one(world: World, fault: Any) -> None:
    party = world.party("damaged")
    party.publish(Deb("tool", "2"))
    world.server.faults["Packages.gz"] = [fault] * 9
    with pytest.raises(FetchError) as caught:
        world.archive(world.source(party, "tool")).newest("tool")
    assert caught.value.keys == ("debian", "sources", "[0]")


def test_an_older_index_than_one_seen_before(world: World) -> None:
    """A replay of an old index with a good signature is refused, as apt does."""
    party = world.party("replay")
    source = world.source(party, "tool")
    party.publish(Deb("tool", "2"))
    assert version(world.archive(source), "tool").startswith("2 of ")
    party.publish(Deb("tool", "1.5"), age=timedelta(days=30))
    with pytest.raises(SignatureError, match="and this host has seen it from") as caught:
        world.archive(source).newest("tool")
    assert "check_valid_until: false" in caught.value.hint
    assert version(world.archive(replace(source, check_valid_until=False)), "tool").startswith("1.5 of ")


def test_a_server_that_does_not_answer(world: World) -> None:
    source = world.source(world.party("gone"), "tool", url=SourceUrl("http://127.0.0.1:9/x"))
    with pytest.raises(FetchError) as caught:
        world.archive(source).newest("tool")
    assert "debian.sources (http://127.0.0.1:9/x)" in caught.value.hint
    assert caught.value.keys == ("debian", "sources", "[0]")


def test_the_errors_of_all_sources_are_one(world: World) -> None:
    one, two = world.party("first"), world.party("second")
    one.publish(TOOL, suite="other")
    two.publish(TOOL)
    with pytest.raises(NotosError) as caught:
        world.archive(world.source(one, "tool"), world.source(two, "tol", "to?l", "x*")).newest("tool")
    assert [(str(each), each.keys[2]) for each in caught.value.parts] == [
        (
            f"no suite stable at {world.server.url}/first: check url and suites in debian.sources "
            f"({world.server.url}/first)",
            "[0]",
        ),
        (f"{world.server.url}/second has no package tol: did you mean tool?", "[1]"),
        (f"{world.server.url}/second has no package x*: check packages, suites and components", "[1]"),
    ]


# --- names and priorities


def test_a_source_provides_only_what_it_names(world: World) -> None:
    """A newer libc6 of a source does not exist, nor one that another package of it provides."""
    party = world.party("greedy")
    party.publish(
        Deb("tool", "2", provides="libc6 (= 9), tool-api, mail-transport-agent"),
        Deb("libc6", "9"),
        Deb("other", "1"),
    )
    archive = world.archive(world.source(party, "tool*"))
    assert version(archive, "libc6") == "2.41 of the release"
    assert version(archive, "tool").startswith("2 of ")
    assert version(archive, "other") == "none"
    assert archive.names() == {"tool", "libc6"}
    assert archive.providers("mail-transport-agent") == []
    (provider,) = archive.providers("tool-api")
    assert (provider.name, provider.provides) == ("tool", "tool-api")
    assert archive.providers("libc6") == []


HOSTILE = {
    "twice": ("Package: tool\n", "Package: tool\nPackage: libc6\n"),
    "twice in the other order": ("Package: tool\n", "Package: libc6\nPackage: tool\n"),
    "at the end": ("Architecture:", "package: libc6\nArchitecture:"),
    "a blank before the colon": ("Package: tool\n", "Package: tool\nPackage : libc6\n"),
    "a blank before the first colon": ("Package: tool\n", "Package : libc6\nPackage: tool\n"),
    "capitals": ("Package: tool\n", "Package: tool\nPACKAGE: libc6\n"),
    "no blank": ("Package: tool\n", "Package: tool\npackage:libc6\n"),
    "a letter that is a k in small letters": ("Package: tool\n", "Package: tool\nPac\u212aage: libc6\n"),
    "another blank": ("Package: tool\n", "Package: tool\nPackage\xa0: libc6\n"),
    "a continuation line": ("Package: tool\n", "Package: tool\n libc6\n"),
    "an empty first line": ("Package: tool\n", "Package:\n libc6\nPackage: tool\n"),
    "words": ("Package: tool\n", "Package: libc6 tool\n"),
    "a return": ("Package: tool\n", "Package: tool\rPackage: libc6\n"),
    "a form feed": ("Package: tool\n", "Package: tool\n\f\nPackage: libc6\n"),
    "no character": ("Package: tool\n", "Package: libc6\0\nPackage: tool\n"),
    "only capitals": ("Package: tool\n", "PACKAGE: libc6\n"),
    "only with a blank": ("Package: tool\n", "Package : libc6\n"),
    "a blank line": ("Description:", "\nPackage: libc6\nVersion: 9\nArchitecture: amd64\nDescription:"),
    "a line of blanks": ("Description:", " \t\nPackage: libc6\nVersion: 9\nArchitecture: all\nDescription:"),
    "a field of several lines": ("Description:", "Notes: x\n .\nPackage: libc6\nDescription:"),
    "a comment": ("Description:", "# x\nPackage: libc6\nDescription:"),
    "a comment with a line of it": ("Package: tool\n", "Package: tool\n# x\n libc6\n"),
}


@pytest.mark.parametrize(("old", "new"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_stanza_of_a_package_that_is_not_allowed_and_of_one_that_is(
    world: World, old: str, new: str
) -> None:
    """No text of an index makes a source provide a package that its `packages` does not allow."""
    party = world.party("hostile")
    party.publish(
        Deb("tool", "9", provides="libc6 (= 9), tool-api"),
        Deb("tool-x"),
        stanzas=lambda text: text.replace(old, new, 1),
    )
    archive = world.archive(world.source(party, "tool*", pin="prefer"))
    refused = 0
    for name in ("tool", "tool-api", "libc6", "libc6\0", "PACKAGE"):
        try:
            found = [archive.newest(name), *archive.providers(name)]
        except LockError as error:
            assert error.keys == ("debian", "sources", "[0]")
            refused += 1
            continue
        for each in filter(None, found):
            assert each.name == name if each.name == "libc6" else each.name == "tool"
            assert "libc6" not in each.provides
            assert each.origin == "main" or each.name == "tool"
    assert version(archive, "libc6") == "2.41 of the release"
    assert refused < 3


@pytest.mark.parametrize(
    "provides",
    [
        "libc6",
        "libc6:amd64 (= 9)",
        "libc6:any",
        "tool-api | libc6",
        "libc6 | tool-api",
        "tool-api,\n libc6 (= 9)",
        "\n libc6",
        "libc6 [amd64]",
        "tool-api, , libc6",
        "libc6 (9)",
    ],
)
def test_provides_of_names_that_are_not_allowed(world: World, provides: str) -> None:
    party = world.party("provides")
    party.publish(Deb("tool", "9", provides=provides))
    archive = world.archive(world.source(party, "tool*"))
    assert archive.providers("libc6") == []
    found = archive.newest("tool")
    assert found is not None
    assert found.provides in ("", "tool-api")


@pytest.mark.parametrize("field", ["Version", "Filename", "SHA256", "Provides", "Depends", "Architecture"])
def test_a_field_that_occurs_twice(world: World, field: str) -> None:
    party = world.party("doubled")
    party.publish(
        Deb("tool", "2", provides="tool-api", depends="libc6"),
        stanzas=lambda text: f"{text}{field.lower()} : 9\n",
    )
    with pytest.raises(LockError, match=f"invalid stanza of tool: the field {field} occurs twice") as caught:
        world.archive(world.source(party, "tool")).newest("tool")
    assert caught.value.keys == ("debian", "sources", "[0]")
    assert world.archive(world.source(party, "tool*")).providers("tool-api") == []


def test_what_a_source_may_not_provide_is_named(world: World) -> None:
    party = world.party("more")
    party.publish(TOOL, Deb("other", "1"))
    with pytest.raises(LockError) as caught:
        Candidates({}, world.archive(world.source(party, "tool"))).requested({"system": ["other"]})
    assert caught.value.hint == f"{world.server.url}/more has other 1; add other to its packages"


@pytest.mark.parametrize(
    ("own", "theirs", "pin", "chosen"),
    [
        ("1", "2", "newest", "2"),
        ("2", "1", "newest", "2"),
        ("2", "1", "prefer", "1"),
        ("2", "1", 501, "1"),
        ("1", "2", "fallback", "1"),
        ("1", "2", 499, "1"),
        ("", "2", "fallback", "2"),
        ("", "2", 1, "2"),
    ],
)
def test_priorities(world: World, own: str, theirs: str, pin: Any, chosen: str) -> None:
    world.signed.publish([Deb("tool", own)] if own else [])
    party = world.party("pinned")
    party.publish(Deb("tool", theirs))
    found = world.archive(world.source(party, "tool", pin=pin)).newest("tool")
    assert found is not None
    assert found.version == chosen


def test_the_same_version_with_another_hash_is_debian_s(world: World) -> None:
    party = world.party("same")
    other = Deb("tool", "1", files={"usr/bin/evil": b"evil"})
    party.publish(other)
    found = world.archive(world.source(party, "tool")).newest("tool")
    assert found is not None
    assert found.origin == "main"
    found = world.archive(world.source(party, "tool", pin="prefer")).newest("tool")
    assert found is not None
    assert found.origin.endswith("/same")


# --- apt as the judge

VERSIONS = st.sampled_from(["1", "1~rc1", "1+b1", "1:0.1", "2", "10"])
PINS = st.sampled_from([1, 100, 499, 500, 501, 990, 1000])
# Of the same version in two sources, apt takes the priority of only one; see the test above for that case.
PARTIES = st.lists(st.tuples(VERSIONS, PINS), min_size=1, max_size=3, unique_by=lambda each: each[0])


@pytest.fixture
def apt(tmp_path: Path, world: World) -> Callable[[Sequence[PackageSource]], Callable[[str], str]]:
    """Return a function that configures apt with sources, and returns one that returns candidates."""
    counter = iter(range(10**6))

    def configured(sources: Sequence[PackageSource]) -> Callable[[str], str]:
        root = tmp_path / f"apt{next(counter)}"
        for each in ("etc/preferences.d", "etc/sources.list.d", "etc/apt.conf.d", "state", "cache"):
            (root / each).mkdir(parents=True)
        keys = world.signed.keys / "test.asc"
        lines = [f"deb [signed-by={keys}] {world.server.url}/debian {SUITE} main"]
        lines += [f"deb [signed-by={each.key}] {each.url} stable main" for each in sources]
        (root / "etc/sources.list").write_text("\n".join(lines) + "\n")
        rules = [("*", "o=Debian", policy.OWN)]
        for number, source in enumerate(sources):
            rules.append((" ".join(source.packages), f"o=party{number}", policy.pin(source)))
            rules.append(("*", f"o=party{number}", -1))
        (root / "etc/preferences").write_text(
            "\n".join(
                f"Package: {names}\nPin: release {where}\nPin-Priority: {pin}\n"
                for names, where, pin in rules
            )
        )
        (root / "state/status").touch()
        options = {
            "Dir::Etc": root / "etc",
            "Dir::State": root / "state",
            "Dir::State::status": root / "state/status",
            "Dir::Cache": root / "cache",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "no_proxy": "127.0.0.1"}
        done = subprocess.run(
            ["apt-get", *words, "update"], capture_output=True, env=environment, check=False
        )
        assert not done.returncode, done.stderr.decode()

        def candidate(name: str) -> str:
            said = subprocess.run(
                ["apt-cache", *words, "policy", name], capture_output=True, env=environment, check=True
            ).stdout.decode()
            found = [line.split()[1] for line in said.splitlines() if "Candidate:" in line]
            return found[0].replace("(none)", "none") if found else "none"

        return candidate

    return configured


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(release=st.none() | VERSIONS, parties=PARTIES)
def test_apt_chooses_the_same(
    world: World,
    apt: Callable[..., Callable[[str], str]],
    release: str | None,
    parties: list[tuple[str, int]],
) -> None:
    if release in [each for each, _ in parties]:
        release = None
    fields = {"Architectures": "amd64", "Components": "main"}
    world.signed.publish([*([Deb("tool", release)] if release else []), Deb("libc6", "2")], fields=fields)
    sources = []
    for number, (theirs, pin) in enumerate(parties):
        party = Repository(world.signed.root / f"party{number}", [KEYS[number]])
        more = {"Origin": f"party{number}", "Architectures": "amd64", "Components": "main"}
        party.publish(
            Deb("tool", theirs),
            Deb("tool-x", theirs),
            Deb("libc6", "9"),
            compressions=("", ".gz"),
            fields=more,
        )
        sources.append(world.source(party, "tool", "tool-*", pin=pin))
    archive = world.archive(*[replace(each, check_valid_until=False) for each in sources])
    candidate = apt(sources)
    for name in ("tool", "tool-x", "libc6"):
        found = archive.newest(name)
        assert (found.version if found else "none") == candidate(name), name


KEYS = [third_party.new_key(f"party{number}") for number in range(3)]

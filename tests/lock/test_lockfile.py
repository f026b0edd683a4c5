"""config.lock: what is written is what is read, and a damaged one is not believed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.debian.mirror import Mirrors
from notos.debian.package import LockedPackage
from notos.errors import LockError
from notos.lock import lockfile
from notos.lock.lockfile import Lock
from notos.lock.request import Request
from notos.lock.source_record import SourceRecord, unaffected

names = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,12}", fullmatch=True)
versions = st.from_regex(r"[0-9][A-Za-z0-9.+:~-]{0,8}", fullmatch=True)


GLOBS = st.lists(st.text(max_size=8), max_size=2).map(tuple)
REQUESTS = st.builds(Request, st.sampled_from(["elf", "depends", "package"]), GLOBS, GLOBS)

SOURCES = st.lists(
    st.builds(
        SourceRecord,
        suites=st.lists(names, min_size=1).map(tuple),
        components=st.just(("main",)),
        packages=st.lists(names, min_size=1).map(tuple),
        pin=st.integers(1, 1000),
        url=st.sampled_from(["", "https://x.example/a"]),
    ),
    max_size=3,
).map(tuple)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    packages = {
        name: LockedPackage(
            name=name,
            version=draw(versions),
            architecture=draw(st.sampled_from(["amd64", "all"])),
            origin=draw(st.sampled_from(["main", "security", "ubuntu", "local", "https://x.example/a"])),
            suite=draw(st.sampled_from(["", "./", "trixie-backports"])),
            filename=f"pool/main/{name}/{name}.deb",
            size=draw(st.integers(0, 1 << 40)),
            sha256=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
            depends=draw(st.text()),
            provides=draw(st.text()),
        )
        for name in draw(st.sets(names, min_size=1, max_size=6))
    }
    members = st.sets(st.sampled_from(sorted(packages))).map(lambda each: tuple(sorted(each)))
    sets = draw(st.dictionaries(st.sampled_from(["system", "tools/qemu", "initrd"]), members))
    requests = {name: dict.fromkeys(each, draw(REQUESTS)) for name, each in sets.items()}
    return Lock(draw(names), requests, sets, packages, sources=draw(SOURCES))


def package(name: str, version: str = "1", **values: Any) -> LockedPackage:
    fields = {"architecture": "amd64", "origin": "main", "size": 1_500_000, "sha256": "0" * 64, **values}
    return LockedPackage(name=name, version=version, filename=f"pool/{name}_{version}.deb", **fields)


def make(*packages: LockedPackage) -> Lock:
    members = tuple(each.name for each in packages)
    requests = {"system": dict.fromkeys(members, Request("elf"))}
    return Lock("trixie", requests, {"system": members}, {each.name: each for each in packages})


@given(locks())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, wanted: Lock) -> None:
    path = tmp_path_factory.mktemp("lock") / "config.lock"
    lockfile.write(path, wanted)
    assert lockfile.read(path) == wanted
    first = path.read_bytes()
    lockfile.write(path, wanted)
    assert path.read_bytes() == first
    assert [each.name for each in path.parent.iterdir()] == ["config.lock"]


def test_a_diff_shows_what_changed(tmp_path: Path) -> None:
    before = make(package("bash"), package("dash"), package("zsh"))
    after = make(package("bash"), package("dash", "2"), package("zsh"))
    texts = lockfile.encode(before).splitlines(), lockfile.encode(after).splitlines()
    assert len(texts[0]) == len(texts[1])
    changed = [each for each in zip(*texts, strict=True) if each[0] != each[1]]
    assert len(changed) == 1
    assert '"dash"' in changed[0][1]


def test_the_order_of_making_does_not_show() -> None:
    one = make(package("bash"), package("dash"))
    other = replace(one, packages=dict(reversed(list(one.packages.items()))))
    assert lockfile.encode(one) == lockfile.encode(other)


def test_none(tmp_path: Path) -> None:
    assert lockfile.read(tmp_path / "config.lock") is None


def test_it_can_be_read_by_all(tmp_path: Path) -> None:
    lockfile.write(tmp_path / "config.lock", make(package("bash")))
    assert (tmp_path / "config.lock").stat().st_mode & 0o777 == 0o644


def change(*keys: str, value: Any = None) -> Callable[[Any], None]:
    """Set what is at `keys`, or remove it."""

    def apply(data: Any) -> None:
        for key in keys[:-1]:
            data = data[key]
        if value is None:
            del data[keys[-1]]
        else:
            data[keys[-1]] = value

    return apply


@pytest.mark.parametrize(
    "damage",
    [
        change("format"),
        change("format", value=99),
        change("suite"),
        change("packages"),
        change("packages", value=[]),
        change("packages", "bash"),
        change("packages", "bash", "sha256"),
        change("packages", "bash", "sha256", value="0" * 63),
        change("packages", "bash", "sha256", value=0),
        change("packages", "bash", "size", value="1"),
        change("packages", "bash", "size", value=-1),
        change("packages", "bash", "filename", value="/etc/x.deb"),
        change("packages", "bash", "filename", value="pool/../../x.deb"),
        change("packages", "bash", "filename", value="../x.deb"),
        change("packages", "bash", "filename", value="http://mirror.example/x.deb"),
        change("packages", "bash", "origin", value="elsewhere"),
        change("packages", "bash", "version", value=""),
        change("packages", "bash", "extra", value="x"),
        change("packages", "../bash", value={}),
        change("sets", "more", value=[]),
        change("sets", "system", value=["bash", "dash"]),
        change("sets", "system", value=1),
        change("requests"),
    ],
)
def test_a_damaged_lock(tmp_path: Path, damage: Callable[[Any], None]) -> None:
    path = tmp_path / "config.lock"
    data = json.loads(lockfile.encode(make(package("bash"))))
    damage(data)
    path.write_text(json.dumps(data))
    with pytest.raises(LockError) as caught:
        lockfile.read(path)
    assert str(path) in caught.value.message
    assert "./doit lock" in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"<<<<<<< HEAD\n{}", b"[]", b"\xff", b"null"])
def test_what_is_no_lock(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "config.lock"
    path.write_bytes(text)
    with pytest.raises(LockError) as caught:
        lockfile.read(path)
    assert str(path) in caught.value.message


def test_every_beginning_of_a_lock_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.lock"
    whole = lockfile.encode(make(package("bash"))).rstrip()
    for end in range(len(whole)):
        path.write_text(whole[:end])
        with pytest.raises(LockError):
            lockfile.read(path)


def test_changes() -> None:
    old = make(package("bash", "5.2"), package("gone"), package("lower", "2"), package("same"))
    new = make(
        package("bash", "5.10"), package("lower", "1"), package("new"), package("same", sha256="1" * 64)
    )
    assert lockfile.changes(old, new) == [
        "upgraded   bash 5.2 -> 5.10",
        "removed    gone 1",
        "downgraded lower 2 -> 1",
        "added      new 1 (system)",
        "rebuilt    same 1",
        "system  4 packages, 6.0 MB to download",
    ]
    assert lockfile.changes(new, new) == ["system  4 packages, 6.0 MB to download"]
    assert lockfile.changes(None, make(package("bash")))[0] == "added      bash 1 (system)"


def test_download() -> None:
    mirrors = Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")
    main = package("bash").download(mirrors)
    assert (main.name, main.url) == ("bash 1", "http://mirror.example/debian/pool/bash_1.deb")
    security = package("bash", origin="security").download(mirrors)
    assert security.url == "http://mirror.example/debian-security/pool/bash_1.deb"


def record(*packages: str, **values: Any) -> SourceRecord:
    fields = {
        "suites": ("stable",),
        "components": ("main",),
        "pin": 500,
        "url": "https://x.example",
        **values,
    }
    return SourceRecord(packages=packages, **fields)


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ([], [], "foo bar baz"),
        ([record("foo")], [record("foo")], "foo bar baz"),
        # A source that is new, or gone, concerns the packages that it may provide.
        ([], [record("ba?")], "foo"),
        ([record("foo")], [], "bar baz"),
        # An edit of patterns concerns the packages that were or are allowed, and those that came from there.
        ([record("foo")], [record("foo", "baz")], "bar"),
        ([record("baz")], [record("baz", "none")], "bar baz"),
        ([record("baz", "bar")], [record("bar")], "bar"),
        # So does a change of the address, the suites or the priority.
        ([record("bar")], [record("bar", pin=990)], "baz"),
        ([record("bar")], [record("bar", suites=("other",))], "baz"),
        ([record("bar")], [record("bar", url="https://y.example")], "baz"),
        # The order decides between equal versions only, which is no reason for another choice.
        ([record("bar"), record("baz", pin=1)], [record("baz", pin=1), record("bar")], "foo bar baz"),
    ],
)
def test_which_packages_a_change_of_sources_concerns(
    old: list[SourceRecord], new: list[SourceRecord], kept: str
) -> None:
    """The package foo comes from the source, bar and baz from the release."""
    packages = {
        "foo": package("foo", origin="https://x.example", suite="stable"),
        "bar": package("bar"),
        "baz": package("baz"),
    }
    assert " ".join(unaffected(packages, old, new)) == kept


@pytest.mark.parametrize("sources", [[1], [{}], [{"packages": ["x"], "other": 1}], 1, "x"])
def test_damaged_sources(tmp_path: Path, sources: object) -> None:
    path = tmp_path / "config.lock"
    data = json.loads(lockfile.encode(make(package("bash"))))
    assert "sources" not in data, "a lock without sources has the bytes of older locks"
    path.write_text(json.dumps({**data, "sources": sources}))
    with pytest.raises(LockError, match=r"config\.lock"):
        lockfile.read(path)

"""Lock files of npm: what fits the machine, addresses, hashes, and errors with their lines."""

import json
from pathlib import Path
from typing import Any

import pytest

from notos.errors import NotosError
from notos.programs import npm_lock
from notos.programs.npm_lock import NpmLock, NpmMachine, configured_registry, strongest
from tests.programs.packages import integrity

KEYS = ("build", "app")
MACHINE = NpmMachine("linux", "x64", "glibc")
HASH = integrity(b"x")


def entry(**more: Any) -> dict[str, Any]:
    return {"version": "1.0.0", "resolved": "https://reg.example/a/-/a-1.0.0.tgz", "integrity": HASH, **more}


def read(folder: Path, packages: dict[str, Any], registry: str = "", version: int = 3) -> NpmLock:
    path = folder / "package-lock.json"
    path.write_text(json.dumps({"lockfileVersion": version, "packages": {"": {}, **packages}}, indent=2))
    return npm_lock.read(path, registry, MACHINE, KEYS)


def test_the_packages_for_this_machine(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            "tools/own": {"version": "0.0.1", "bin": {"own": "cli.js"}},
            "node_modules/own": {"resolved": "tools/own", "link": True},
            "node_modules/a": entry(bin={"a": "cli.js"}),
            "node_modules/a/node_modules/@s/b": entry(dev=True),
            "node_modules/c": entry(devOptional=True, hasInstallScript=True),
            "node_modules/alias": entry(name="real"),
            "node_modules/bundled": {"version": "1", "inBundle": True},
            "node_modules/mac": entry(os=["darwin"], optional=True),
            "node_modules/mac/node_modules/below": entry(),
            "node_modules/musl": entry(os=["linux"], cpu=["x64"], libc=["musl"], optional=True),
            "node_modules/gnu": entry(os=["linux"], cpu=["x64"], libc=["glibc"], optional=True),
            "node_modules/unix": entry(os=["!win32"], optional=True),
        },
    )
    assert {each.path.removeprefix("node_modules/"): each.name for each in found.packages} == {
        "a": "a",
        "a/node_modules/@s/b": "@s/b",
        "c": "c",
        "alias": "real",
        "gnu": "gnu",
        "unix": "unix",
    }
    assert [each.name for each in found.packages if each.development] == ["@s/b"]
    assert [each.name for each in found.packages if each.scripts] == ["c"]
    assert found.links == {"node_modules/own": "tools/own"}
    assert found.programs == {"tools/own": {"own": "cli.js"}, "node_modules/a": {"a": "cli.js"}}


@pytest.mark.parametrize(
    ("more", "registry", "urls"),
    [
        ({}, "", ["https://reg.example/a/-/a-1.0.0.tgz"]),
        ({}, "http://own/npm/", ["http://own/npm/a/-/a-1.0.0.tgz", "https://reg.example/a/-/a-1.0.0.tgz"]),
        ({"resolved": None}, "http://own", ["http://own/a/-/a-1.0.0.tgz"]),
        ({"resolved": None, "name": "@s/b"}, "http://own", ["http://own/@s/b/-/b-1.0.0.tgz"]),
        ({"resolved": "https://x.example/a.tgz"}, "http://own", ["https://x.example/a.tgz"]),
    ],
)
def test_addresses(more: dict[str, Any], registry: str, urls: list[str], tmp_path: Path) -> None:
    (found,) = read(tmp_path, {"node_modules/a": entry(**more)}, registry).packages
    assert list(found.urls) == urls


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"integrity": None}, "has no hash"),
        ({"integrity": "sha512-§"}, "has an invalid hash"),
        ({"resolved": "git+ssh://git@host/a.git#0123"}, "comes from git"),
        ({"resolved": "file:../a"}, "comes from file"),
        ({"resolved": None}, "has no address"),
        ({"os": ["darwin"]}, "is for darwin, not for this machine"),
    ],
)
def test_errors_have_the_line(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(NotosError, match=rf"package-lock\.json:5: node_modules/a .*{said}") as raised:
        read(tmp_path, {"node_modules/a": entry(**more)})
    assert raised.value.keys == KEYS


@pytest.mark.parametrize(
    "place",
    [
        *("node_modules/../../../home/u/.ssh", "/home/u/node_modules/a", "../node_modules/a"),
        *("node_modules", "node_modules/", "node_modules//a", "node_modules/./a", "node_modules/a/b"),
        *("node_modules/.bin", "node_modules/@s", "x/node_modules/a/node_modules/..", "node_modules/a\nb"),
        *("node_modules/a/node_modules", "node_modules/@s/.."),
    ],
)
@pytest.mark.parametrize("link", [False, True])
def test_places_outside_of_node_modules_are_refused(place: str, link: bool, tmp_path: Path) -> None:
    more = {"resolved": "tools/own", "link": True} if link else entry()
    with pytest.raises(NotosError, match=r"package-lock\.json:5: ") as raised:
        read(tmp_path, {place: more})
    assert raised.value.keys == KEYS
    assert "\n" not in raised.value.message


@pytest.mark.parametrize("target", ["/home/u", "..", "../other", "a/../../other", "a\0b", None, 1])
def test_links_out_of_the_source_are_refused(target: object, tmp_path: Path) -> None:
    with pytest.raises(NotosError, match=r"package-lock\.json:5: node_modules/a is a link "):
        read(tmp_path, {"node_modules/a": {"link": True, "resolved": target}})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"link": True, "resolved": None}, "is a link without a target"),
        ({"os": 1}, "has an invalid os"),
        ({"cpu": [1]}, "has an invalid cpu"),
        ({"bin": {"a": 1}}, "has an invalid bin"),
        ({"integrity": "sha512-"}, "has an invalid hash"),
        ({"integrity": "sha256-AAAA"}, "has an invalid hash"),
    ],
)
def test_values_of_another_type_are_errors_with_their_line(
    more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(NotosError, match=rf"package-lock\.json:5: node_modules/a .*{said}"):
        read(tmp_path, {"node_modules/a": entry(**more)})


def test_entries_that_are_not_objects(tmp_path: Path) -> None:
    with pytest.raises(NotosError, match=r"package-lock\.json:5: node_modules/a is not an object"):
        read(tmp_path, {"node_modules/a": ["x"]})
    path = tmp_path / "package-lock.json"
    for text in ('{"lockfileVersion": 3, "packages": [1]}', "[3]", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(NotosError, match="is not a lock file of npm"):
            npm_lock.read(path, "", MACHINE, KEYS)


def test_a_package_below_a_link(tmp_path: Path) -> None:
    """It would be in the way of the link."""
    packages = {
        "node_modules/own/node_modules/a": entry(),
        "node_modules/own": {"resolved": "tools/own", "link": True},
    }
    with pytest.raises(NotosError, match=r"json:5: node_modules/own/node_modules/a is below a link"):
        read(tmp_path, packages)


def test_other_formats(tmp_path: Path) -> None:
    with pytest.raises(NotosError, match="has the format 1; formats 2 and 3"):
        read(tmp_path, {}, version=1)
    (tmp_path / "package-lock.json").write_text("{")
    with pytest.raises(NotosError, match="is not a lock file of npm"):
        npm_lock.read(tmp_path / "package-lock.json", "", MACHINE, KEYS)


def test_passwords_of_addresses_are_not_shown(tmp_path: Path) -> None:
    with pytest.raises(NotosError, match="comes from git") as raised:
        read(tmp_path, {"node_modules/a": entry(resolved="git+https://user:secret@host/a.git#0123")})
    assert "secret" not in raised.value.message


def test_the_strongest_hash_counts() -> None:
    both = f"{integrity(b'x', 'sha1')} {integrity(b'x')}?opt"
    assert strongest(both)[0] == "sha512"
    assert strongest(integrity(b"x", "sha1"))[0] == "sha1"


def test_the_configured_registry(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.npmrc").write_text('; x\n//host/:_authToken=1\nregistry = "http://home/"\n')
    assert configured_registry({}, tmp_path / "home", tmp_path) == "http://home/"
    (tmp_path / ".npmrc").write_text("registry=http://project/\n")
    assert configured_registry({}, tmp_path / "home", tmp_path) == "http://project/"
    assert configured_registry({"npm_config_registry": "http://e/"}, tmp_path, tmp_path) == "http://e/"

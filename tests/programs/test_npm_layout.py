"""The folder node_modules; npm itself is the judge where this host has it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notos.cache import Cache
from notos.errors import NotosError, SignatureError
from notos.programs import npm_layout, npm_lock
from notos.programs.npm_lock import NpmLock, NpmMachine
from tests.programs.packages import Registry, integrity, registry, tarball

KEYS = ("build", "app")
MACHINE = NpmMachine("linux", "x64", "glibc")
NPM = shutil.which("npm")
PACKAGES: dict[str, dict[str, str]] = {
    "a": {
        "package.json": '{"name": "a", "version": "1.0.0", "bin": {"a-cmd": "./cli.js"}}',
        "cli.js": "#!/usr/bin/env node\r\nconsole.log(1)\r\n",
        "lib/index.js": "x",
    },
    "@s/b": {"package.json": '{"name": "@s/b", "version": "1.0.0", "bin": "bin/b.js"}', "bin/b.js": "#!x\n"},
    "dev": {"package.json": '{"name": "dev", "version": "1.0.0"}'},
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root = tmp_path / "www"
    for name, files in PACKAGES.items():
        path = root / name / "-" / f"{name.rpartition('/')[2]}-1.0.0.tgz"
        path.parent.mkdir(parents=True)
        path.write_bytes(tarball(files))
    with registry(root) as found:
        yield found


def program(folder: Path, server: Registry, **changed: Any) -> Path:
    """Write a program with its lock file into a new folder."""
    folder.mkdir()
    entries: dict[str, Any] = {}
    for name, files in PACKAGES.items():
        found: dict[str, Any] = {
            "version": "1.0.0",
            "resolved": f"{server.url}/{name}/-/{name.rpartition('/')[2]}-1.0.0.tgz",
            "integrity": integrity(tarball(files)),
            **changed,
        }
        programs = json.loads(files["package.json"]).get("bin")
        if programs:
            found["bin"] = {"b": programs} if isinstance(programs, str) else programs
        entries[f"node_modules/{name}"] = found
    entries["node_modules/dev"]["dev"] = True
    entries["tools/own"] = {"version": "0.0.1", "bin": {"own": "own.js"}}
    entries["node_modules/own"] = {"resolved": "tools/own", "link": True}
    own = {"name": "app", "version": "1.0.0", "workspaces": ["tools/own"]}
    needs = {"dependencies": {"a": "1.0.0", "@s/b": "1.0.0"}, "devDependencies": {"dev": "1.0.0"}}
    (folder / "package.json").write_text(json.dumps({**own, **needs}))
    locked = {"name": "app", "lockfileVersion": 3, "packages": {"": {**own, **needs}, **entries}}
    (folder / "package-lock.json").write_text(json.dumps(locked, indent=2))
    (folder / "tools/own").mkdir(parents=True)
    workspace = '{"name": "own", "version": "0.0.1", "bin": {"own": "own.js"}}'
    (folder / "tools/own/package.json").write_text(workspace)
    (folder / "tools/own/own.js").write_text("#!/usr/bin/env node\n")
    return folder


def read(folder: Path) -> NpmLock:
    return npm_lock.read(folder / "package-lock.json", "", MACHINE, KEYS)


def contents(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return kind and content of all below a folder, without npm's own copy of the lock file."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name == ".package-lock.json":
            continue
        if path.is_symlink():
            found[name] = "link", os.fsencode(os.readlink(path))
        elif path.is_file():
            found[name] = ("program" if os.access(path, os.X_OK) else "file"), path.read_bytes()
        else:
            found[name] = "folder", b""
    return found


def test_the_layout(server: Registry, tmp_path: Path) -> None:
    folder, cache = program(tmp_path / "app", server), Cache(tmp_path / "cache")
    lock = read(folder)
    npm_layout.download(lock, cache, None)
    npm_layout.lay_out("app", lock, cache, folder)
    found = contents(folder / "node_modules")
    assert found["a/cli.js"] == ("program", b"#!/usr/bin/env node\nconsole.log(1)\r\n")
    assert found[".bin/a-cmd"] == ("link", b"../a/cli.js")
    assert found[".bin/b"] == ("link", b"../@s/b/bin/b.js")
    assert found["own"] == ("link", b"../tools/own")
    assert (folder / "node_modules/.bin/own").resolve() == folder / "tools/own/own.js"
    assert list(npm_layout.development(lock)) == ["node_modules/dev"]
    # All is in the cache now.
    server.requests.clear()
    npm_layout.download(lock, cache, None)
    assert server.requests == []


@pytest.mark.skipif(NPM is None, reason="npm is not on this host")
def test_the_layout_is_npm_s(server: Registry, tmp_path: Path) -> None:
    assert NPM is not None
    mine, theirs = program(tmp_path / "mine", server), program(tmp_path / "theirs", server)
    cache = Cache(tmp_path / "cache")
    npm_layout.download(read(mine), cache, None)
    npm_layout.lay_out("app", read(mine), cache, mine)
    subprocess.run(
        [
            NPM,
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--registry",
            server.url,
            "--cache",
            str(tmp_path / "c"),
        ],
        cwd=theirs,
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"},
    )
    assert contents(mine / "node_modules") == contents(theirs / "node_modules")


def test_another_tarball_than_the_locked_one(server: Registry, tmp_path: Path) -> None:
    folder = program(tmp_path / "app", server, integrity=integrity(b"other"))
    with pytest.raises(SignatureError, match=r"1\.0\.0: \S+ has a wrong sha512"):
        npm_layout.download(read(folder), Cache(tmp_path / "cache"), None)


@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/../../../evil"])
def test_a_path_above_the_package_is_refused(name: str, server: Registry, tmp_path: Path) -> None:
    data = tarball({name: "evil"}, top="package")
    path = tmp_path / "www/evil.tgz"
    path.write_bytes(data)
    folder = program(tmp_path / "app", server, resolved=f"{server.url}/evil.tgz", integrity=integrity(data))
    lock, cache = read(folder), Cache(tmp_path / "cache")
    npm_layout.download(lock, cache, None)
    if name == "/evil":  # package//evil is package/evil
        npm_layout.lay_out("app", lock, cache, folder)
    else:
        with pytest.raises(NotosError, match="invalid path"):
            npm_layout.lay_out("app", lock, cache, folder)
    assert not list(tmp_path.glob("evil"))


def hostile(server: Registry, tmp_path: Path, entries: dict[str, Any], links: dict[str, str]) -> None:
    """Lay out `entries` over a source with symbolic links; nothing may change outside of it."""
    folder, outside, cache = tmp_path / "app", tmp_path / "outside", Cache(tmp_path / "cache")
    (outside / "node_modules").mkdir(parents=True)
    (outside / "cli.js").write_bytes(b"#!/bin/sh\r\n")
    (outside / "cli.js").chmod(0o600)
    folder.mkdir()
    for path, target in links.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(target.replace("@outside@", str(outside)))
    (folder / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": entries}))
    before = contents(outside)
    lock = read(folder)
    npm_layout.download(lock, cache, None)
    try:
        with pytest.raises(NotosError, match=r"^build\.app: ") as raised:
            npm_layout.lay_out("app", lock, cache, folder)
        assert raised.value.keys == KEYS
    finally:
        assert contents(outside) == before


def a(server: Registry, **more: Any) -> dict[str, Any]:
    data = tarball(PACKAGES["a"])
    return {"version": "1", "resolved": f"{server.url}/a/-/a-1.0.0.tgz", "integrity": integrity(data), **more}


LINK = {"link": True, "resolved": "tools/own"}


@pytest.mark.parametrize("target", ["@outside@", "../../outside", "../../app/../outside/node_modules/.."])
def test_a_source_s_link_does_not_lead_packages_out(target: str, server: Registry, tmp_path: Path) -> None:
    hostile(server, tmp_path, {"packages/x/node_modules/a": a(server)}, {"packages/x": target})


def test_a_source_s_link_does_not_lead_links_out(server: Registry, tmp_path: Path) -> None:
    hostile(server, tmp_path, {"packages/x/node_modules/own": LINK}, {"packages/x": "@outside@"})


def test_the_target_of_a_link_is_in_the_source(server: Registry, tmp_path: Path) -> None:
    hostile(server, tmp_path, {"node_modules/own": LINK}, {"tools/own": "@outside@"})


def test_a_program_outside_of_the_source_stays(server: Registry, tmp_path: Path) -> None:
    entries = {"tools/own": {"bin": {"own": "cli.js"}}, "node_modules/own": LINK}
    hostile(server, tmp_path, entries, {"tools/own/cli.js": "@outside@/cli.js"})


def test_names_of_programs_stay_in_their_folder(server: Registry, tmp_path: Path) -> None:
    """As in npm, programs with such names or files are left out."""
    folder, cache = tmp_path / "app", Cache(tmp_path / "cache")
    folder.mkdir()
    programs = {"..": "cli.js", "": "cli.js", "x/": "cli.js", "y": "../../package.json", "../ok": "cli.js"}
    lock = {"lockfileVersion": 3, "packages": {"node_modules/a": a(server, bin=programs)}}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    npm_layout.download(read(folder), cache, None)
    npm_layout.lay_out("app", read(folder), cache, folder)
    assert [each.name for each in (folder / "node_modules/.bin").iterdir()] == ["ok"]


def test_links_through_a_link_of_the_source(server: Registry, tmp_path: Path) -> None:
    """They are relative to the folder where they really are."""
    folder = tmp_path / "app"
    (folder / "tools/own").mkdir(parents=True)
    (folder / "packages").mkdir()
    (folder / "packages/x").symlink_to("..")
    lock = {"lockfileVersion": 3, "packages": {"packages/x/node_modules/own": LINK}}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    npm_layout.lay_out("app", read(folder), Cache(tmp_path / "cache"), folder)
    assert (folder / "node_modules/own").resolve() == folder / "tools/own"


def test_two_packages_in_one_place(server: Registry, tmp_path: Path) -> None:
    """An error of one line."""
    hostile(
        server, tmp_path, {"packages/x/node_modules/a": LINK, "node_modules/a": LINK}, {"packages/x": ".."}
    )

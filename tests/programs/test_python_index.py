"""Indexes in both forms, and pip's configuration: pip itself is the judge."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from notos.programs import python_index
from notos.programs.python_index import Link, Places, configuration, links, places
from notos.programs.requirements import Digest, Requirements
from tests.programs.packages import index, registry, sha256, wheel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "www"


@pytest.mark.parametrize("as_json", [False, True])
def test_pages_of_an_index(root: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = wheel(root / "files", "a_b", "1.0", {"a_b.py": ""})
    index(root, [made], as_json=as_json)
    with registry(root) as server:
        (found,) = links("a-b", Places((f"{server.url}/simple/",), ()), python_index.fetch_page)
        assert not list(links("c", Places((f"{server.url}/simple",), ()), python_index.fetch_page))
    assert found == Link(
        made.name, f"{server.url}/files/{made.name}", frozenset((Digest("sha256", sha256(made)),))
    )
    assert server.requests == ["/simple/a-b/", "/simple/c/"]


def test_an_index_on_this_host_and_a_folder_of_wheels(root: Path) -> None:
    made = wheel(root / "files", "a_b", "1.0", {"a_b.py": ""})
    wheel(root / "files", "c", "1.0", {"c.py": ""})
    index(root, [made])
    where = Places((f"file://{root}/simple",), (str(root / "files"), str(root / "missing")))
    in_folder, indexed = links("a-b", where, python_index.fetch_page)
    assert in_folder == Link(made.name, str(made), frozenset())
    assert indexed.url == str(made)
    assert indexed.digests


def test_a_password_of_the_index_is_used_for_its_files() -> None:
    page = b'<a href="/files/a-1-py3-none-any.whl">x</a><a href="https://cdn.example/b-1.whl">y</a>'
    where = Places(("https://me:secret@index.example/simple",), ())
    one, other = links("a", where, lambda url: page)
    assert one.url == "https://me:secret@index.example/files/a-1-py3-none-any.whl"
    assert other.url == "https://cdn.example/b-1.whl"


CONFIGS = {
    "etc/pip.conf": "[global]\nindex-url = http://etc.example/\nextra-index-url =\n  http://a/\n  http://b/\n",
    "home/.config/pip/pip.conf": "[global]\nindex_url = http://home.example/\n[install]\nfind-links = /x\n",
}


def test_the_configuration_is_pip_s(tmp_path: Path) -> None:
    for name, text in CONFIGS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    home = tmp_path / "home"
    own = {"HOME": str(home), "PIP_NO_INDEX": "0", "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    found = configuration(own, home, tmp_path / "none")
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], env=own, capture_output=True, text=True, check=True
    ).stdout
    assert f"global.index-url='{found['index-url']}'" in said
    assert f"install.find-links='{found['find-links']}'" in said
    both = configuration({"PIP_EXTRA_INDEX_URL": "http://c/"}, home, tmp_path / "etc/..")
    assert both["index-url"] == "http://home.example/"
    assert both["extra-index-url"] == "http://c/"
    assert "index-url" not in configuration({"PIP_CONFIG_FILE": "/dev/null"}, home)


def test_the_places(tmp_path: Path) -> None:
    wanted = Requirements(index="http://own/", more_indexes=("http://more/",), links=("/links",))
    settings = {"index-url": "http://set/", "extra-index-url": "http://a/ http://b/", "find-links": "/f"}

    def never() -> str:
        raise AssertionError

    assert places(wanted, settings, never) == Places(
        ("http://own/", "http://more/", "http://a/", "http://b/"), ("/links", "/f")
    )
    assert places(Requirements(), settings, never).indexes[0] == "http://set/"
    assert places(Requirements(), {}, lambda: "http://pip/").indexes == ("http://pip/",)
    assert places(wanted, {"no-index": "1"}, never) == Places((), ("/links",))
    assert places(replace(wanted, no_index=True), {}, never) == Places((), ("/links",))


def test_pip_s_own_index_is_in_its_help(monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--help"],
        env={"PIP_INDEX_URL": "http://index.example/simple", "HOME": "/nonexistent", "COLUMNS": "4000"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert python_index.default_in(said) == "http://index.example/simple"


@pytest.mark.parametrize("as_json", [True, False])
def test_hostile_pages(as_json: bool) -> None:
    """Names that are paths, addresses that are invalid, and files of this host are left out."""
    rows = [
        ("a-1.0.tar.gz", "a-1.0.tar.gz"),
        ("../a-1.0.tar.gz", "..%2Fa-1.0.tar.gz"),
        ("a-1.0-py3-none-any./../x.whl", "a-1.0-py3-none-any.%2F..%2Fx.whl"),
        ("a-1.0\n.tar.gz", "a-1.0%0A.tar.gz"),
        ("a-2.0.tar.gz", "http://[/a-2.0.tar.gz"),
        ("a-3.0.tar.gz", "file:///etc/a-3.0.tar.gz"),
    ]
    if as_json:
        page = json.dumps({"files": [{"filename": file, "url": url} for file, url in rows]})
    else:
        page = "".join(f'<a href="{url}">x</a>' for _, url in rows)
    where = Places(("https://x.example/simple",), ())
    found = python_index.links("a", where, lambda _: page.encode())
    assert [each.url for each in found] == ["https://x.example/simple/a/a-1.0.tar.gz"]

"""Tools trees: unpacked once, by content, by whoever comes first."""

import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.cache import Cache
from notos.debian.unpack import Unpack
from notos.errors import ToolError
from notos.toolchain.tools_tree import ToolsTree, ensure, key
from tests.signed_archive import Deb


@pytest.fixture
def debs(tmp_path: Path) -> list[Unpack]:
    path = tmp_path / "one.deb"
    path.write_bytes(Deb("one", files={"bin/one": b"#!/bin/sh\n", "usr/lib64/x": b""}).build())
    return [Unpack(path)]


def test_two_builds_at_once_get_one_tree(tmp_path: Path, debs: list[Unpack]) -> None:
    cache = Cache(tmp_path / "cache")
    with ThreadPoolExecutor(8) as pool:
        trees = set(pool.map(lambda _: ensure(cache, "key", AMD64, debs), range(16)))
    (tree,) = trees
    assert {path.name for path in tree.root.iterdir()} == {"usr", "lib64", "bin"}
    assert [path.name for path in (tmp_path / "cache/tools").iterdir()] == ["key"]


def test_no_link_leads_out_of_a_tree(tmp_path: Path) -> None:
    """Programs also run on this host: depmod of bookworm is a link to /bin/kmod."""
    files: dict[str, bytes | str] = {
        "bin/kmod": b"#!/bin/sh\n",
        "sbin/depmod": "/bin/kmod",
        "usr/share/etc": "/etc",
        "etc/x": b"",
        "usr/bin/above": "/x/../bin/kmod",
        "usr/bin/root": "/",
        "top": "/",
    }
    path = tmp_path / "kmod.deb"
    path.write_bytes(Deb("kmod", files=files).build())
    tree = ensure(Cache(tmp_path / "cache"), "key", AMD64, [Unpack(path)])
    for link in ("usr/sbin/depmod", "sbin/depmod", "usr/bin/above"):
        assert (tree.root / link).resolve() == tree.root / "usr/bin/kmod"
    assert (tree.root / "usr/share/etc/x").exists()
    assert (tree.root / "usr/bin/root").resolve() == (tree.root / "top").resolve() == tree.root
    assert tree.command("depmod")[-1] == str(tree.root / "usr/sbin/depmod")


def test_a_killed_one_leaves_nothing_that_counts(
    tmp_path: Path, debs: list[Unpack], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ensure(cache, "key", AMD64, debs)
    assert not cache.tools("key").exists()
    assert ensure(cache, "key", AMD64, debs).root.is_dir()


def test_a_key_is_by_content_not_by_order() -> None:
    sums = [hashlib.sha256(each).hexdigest() for each in (b"1", b"2", b"3")]
    assert key(sums) == key(sums[::-1])
    assert key(sums) != key(sums[:2])


def test_programs_run_by_their_own_loader(tools_tree: ToolsTree) -> None:
    command = tools_tree.command("busybox")
    assert command[0] == str(tools_tree.root / "usr/lib64/ld-linux-x86-64.so.2")
    done = subprocess.run([*command, "echo", "hi"], env={}, capture_output=True, check=True)
    assert done.stdout == b"hi\n"
    with pytest.raises(ToolError, match="no such-tool in the tools tree"):
        tools_tree.command("such-tool")

"""A kernel's source: unpacked once, inside its folder, patched or refused."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from notos.cache import Cache
from notos.errors import KernelError, PackageError
from notos.kernel import source as kernel_source
from notos.toolchain.tools_tree import ToolsTree
from tests.signed_archive import Deb

FILES = {
    "Makefile": b"VERSION = 6\n",
    "scripts/kconfig/conf.c": b"int main;\n",
    "init/main.c": b"one\ntwo\nthree\n",
}
GOOD = """\
--- a/init/main.c
+++ b/init/main.c
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
--- /dev/null
+++ b/init/new.c
@@ -0,0 +1 @@
+new
"""


def tarball(*extra: tarfile.TarInfo, top: str = "linux-6.1", compression: str = "") -> bytes:
    stream = io.BytesIO()
    mode: Any = f"w:{compression}"  # typeshed has an overload for each literal
    with tarfile.open(fileobj=stream, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for path, data in FILES.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size, info.mtime = len(data), 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
        for each in extra:
            archive.addfile(each)
    return stream.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def put(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(data)
    return path


def left(cache: Cache) -> list[str]:
    """What is in the cache that is no whole source."""
    folder = cache.root / "source"
    return [path.name for path in folder.iterdir() if path.name.startswith(".")] if folder.exists() else []


@pytest.mark.parametrize("compression", ["", "xz", "gz"])
def test_a_tarball(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree, compression: str) -> None:
    path = put(tmp_path, tarball(compression=compression))
    folder = cache.source(kernel_source.ensure(cache, path, "0" * 64, [], kernel_tools))
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    # By the times of its files a build knows what to do again, and when the kernel is said to be made.
    assert (folder / "Makefile").stat().st_mtime == 1_700_000_000


def test_a_package(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    files = {"usr/src/linux-source-6.1.tar.xz": tarball(compression="xz"), "usr/share/doc/x/copyright": b""}
    path = put(tmp_path, Deb("linux-source-6.1", files=files).build())
    folder = cache.source(kernel_source.ensure(cache, path, "0" * 64, [], kernel_tools))
    assert (folder / "init/main.c").read_bytes() == FILES["init/main.c"]
    path = put(tmp_path, Deb("other", files={"usr/src/readme": b""}).build())
    with pytest.raises(PackageError, match="one tarball is wanted in usr/src, there are none"):
        kernel_source.ensure(cache, path, "1" * 64, [], kernel_tools)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (entry("linux-6.1/../../escape"), "leaves the folder of the source"),
        (entry("/etc/passwd"), "is outside of linux-6.1/"),
        (entry("other/file"), "is outside of linux-6.1/"),
        (entry("linux-6.1/link", tarfile.SYMTYPE, "../../etc"), "above the root"),
        (entry("linux-6.1/link", tarfile.SYMTYPE, "/etc"), "leaves the source"),
        (entry("linux-6.1/device", tarfile.CHRTYPE), "neither a file, a folder nor a symbolic link"),
        (entry("linux-6.1/init/main.c/below"), "lies below init/main.c, which is no folder"),
    ],
)
def test_one_that_would_leave_its_folder(
    tmp_path: Path, cache: Cache, kernel_tools: ToolsTree, bad: tarfile.TarInfo, said: str
) -> None:
    with pytest.raises(PackageError, match=f"kernel source archive….*{said}"):
        kernel_source.ensure(cache, put(tmp_path, tarball(bad)), "0" * 64, [], kernel_tools)
    assert left(cache) == []
    assert not (tmp_path / "escape").exists()


def test_a_link_is_not_gone_through(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    data = tarball(entry("linux-6.1/link", tarfile.SYMTYPE, "init"), entry("linux-6.1/link/file"))
    with pytest.raises(PackageError, match="lies below link, which is no folder"):
        kernel_source.ensure(cache, put(tmp_path, data), "0" * 64, [], kernel_tools)


def test_what_is_no_kernel(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:") as archive:
        archive.addfile(entry("zlib/Makefile"))
    for data, said in ((stream.getvalue(), "no kernel in it"), (b"hello", "truncated")):
        with pytest.raises(PackageError, match=said):
            kernel_source.ensure(cache, put(tmp_path, data), "0" * 64, [], kernel_tools)


def test_patches(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    path = put(tmp_path, tarball())
    patch = tmp_path / "fix.patch"
    patch.write_text(GOOD)
    plain = kernel_source.ensure(cache, path, "0" * 64, [], kernel_tools)
    patched = kernel_source.ensure(cache, path, "0" * 64, [patch], kernel_tools)
    assert patched != plain
    assert (cache.source(patched) / "init/main.c").read_text() == "one\nzwei\nthree\n"
    assert (cache.source(patched) / "init/new.c").read_text() == "new\n"
    # What is not patched is one file with two names; the other source is as it was.
    assert (cache.source(plain) / "init/main.c").read_bytes() == FILES["init/main.c"]
    assert (cache.source(plain) / "Makefile").samefile(cache.source(patched) / "Makefile")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("-two", "-drei"), r"Hunk #1 FAILED at 1"),
        (GOOD.replace("init/main.c", "init/other.c"), "can't find file to patch"),
        (GOOD.replace("b/init/new.c", "b/../../../new.c"), "dangerous"),
        ("this is no patch\n", "Only garbage was found"),
    ],
)
def test_a_patch_that_does_not_apply(
    tmp_path: Path, cache: Cache, kernel_tools: ToolsTree, text: str, said: str
) -> None:
    patch = tmp_path / "bad.patch"
    patch.write_text(text)
    with pytest.raises(KernelError) as caught:
        kernel_source.ensure(cache, put(tmp_path, tarball()), "0" * 64, [patch], kernel_tools)
    assert str(caught.value).startswith(f"{patch} does not apply: ")
    assert said in str(caught.value)
    assert left(cache) == []
    assert not list(tmp_path.rglob("new.c"))


def test_a_key_is_by_content_and_order() -> None:
    keys = {kernel_source.key("0" * 64, each) for each in ([], [b"a"], [b"a", b"b"], [b"b", b"a"])}
    assert len(keys) == 4

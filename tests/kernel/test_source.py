"""Kernel sources: unpacked once, inside their folder, patched or refused."""

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


def write_archive(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(data)
    return path


def incomplete_sources(cache: Cache) -> list[str]:
    """Return the names of incomplete sources in the cache."""
    folder = cache.root / "source"
    return [path.name for path in folder.iterdir() if path.name.startswith(".")] if folder.exists() else []


@pytest.mark.parametrize("compression", ["", "xz", "gz"])
def test_a_tarball(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree, compression: str) -> None:
    path = write_archive(tmp_path, tarball(compression=compression))
    folder = cache.source(kernel_source.ensure(cache, path, "0" * 64, [], kernel_tools))
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    # make compares the mtimes, and the Makefile's is the kernel's build time.
    assert (folder / "Makefile").stat().st_mtime == 1_700_000_000


def test_a_package(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    files = {"usr/src/linux-source-6.1.tar.xz": tarball(compression="xz"), "usr/share/doc/x/copyright": b""}
    path = write_archive(tmp_path, Deb("linux-source-6.1", files=files).build())
    folder = cache.source(kernel_source.ensure(cache, path, "0" * 64, [], kernel_tools))
    assert (folder / "init/main.c").read_bytes() == FILES["init/main.c"]
    path = write_archive(tmp_path, Deb("other", files={"usr/src/readme": b""}).build())
    with pytest.raises(PackageError, match="usr/src must have one tarball, but has none"):
        kernel_source.ensure(cache, path, "1" * 64, [], kernel_tools)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry("linux-6.1/../../escape"), "is outside of the source's folder"),
        (entry("/etc/passwd"), "is outside of linux-6.1/"),
        (entry("other/file"), "is outside of linux-6.1/"),
        (entry("linux-6.1/link", tarfile.SYMTYPE, "../../etc"), "above the root"),
        (entry("linux-6.1/link", tarfile.SYMTYPE, "/etc"), "leaves the source"),
        (entry("linux-6.1/device", tarfile.CHRTYPE), "neither a file, a folder nor a symbolic link"),
        (entry("linux-6.1/init/main.c/below"), "is below init/main.c, which is not a folder"),
    ],
)
def test_an_entry_outside_of_the_folder(
    tmp_path: Path, cache: Cache, kernel_tools: ToolsTree, bad: tarfile.TarInfo, message: str
) -> None:
    with pytest.raises(PackageError, match=f"kernel source archive….*{message}"):
        kernel_source.ensure(cache, write_archive(tmp_path, tarball(bad)), "0" * 64, [], kernel_tools)
    assert incomplete_sources(cache) == []
    assert not (tmp_path / "escape").exists()


def test_links_are_not_followed(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    data = tarball(entry("linux-6.1/link", tarfile.SYMTYPE, "init"), entry("linux-6.1/link/file"))
    with pytest.raises(PackageError, match="is below link, which is not a folder"):
        kernel_source.ensure(cache, write_archive(tmp_path, data), "0" * 64, [], kernel_tools)


def test_not_a_kernel_source(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:") as archive:
        archive.addfile(entry("zlib/Makefile"))
    for data, message in ((stream.getvalue(), "not a kernel source"), (b"hello", "truncated")):
        with pytest.raises(PackageError, match=message):
            kernel_source.ensure(cache, write_archive(tmp_path, data), "0" * 64, [], kernel_tools)


def test_patches(tmp_path: Path, cache: Cache, kernel_tools: ToolsTree) -> None:
    path = write_archive(tmp_path, tarball())
    patch = tmp_path / "fix.patch"
    patch.write_text(GOOD)
    plain = kernel_source.ensure(cache, path, "0" * 64, [], kernel_tools)
    patched = kernel_source.ensure(cache, path, "0" * 64, [patch], kernel_tools)
    assert patched != plain
    assert (cache.source(patched) / "init/main.c").read_text() == "one\nzwei\nthree\n"
    assert (cache.source(patched) / "init/new.c").read_text() == "new\n"
    # Files without changes are hard links between the two sources; the plain source is unchanged.
    assert (cache.source(plain) / "init/main.c").read_bytes() == FILES["init/main.c"]
    assert (cache.source(plain) / "Makefile").samefile(cache.source(patched) / "Makefile")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("-two", "-drei"), r"Hunk #1 FAILED at 1"),
        (GOOD.replace("init/main.c", "init/other.c"), "can't find file to patch"),
        (GOOD.replace("b/init/new.c", "b/../../../new.c"), "dangerous"),
        ("this is no patch\n", "Only garbage was found"),
    ],
)
def test_a_patch_that_does_not_apply(
    tmp_path: Path, cache: Cache, kernel_tools: ToolsTree, text: str, message: str
) -> None:
    patch = tmp_path / "bad.patch"
    patch.write_text(text)
    with pytest.raises(KernelError) as caught:
        kernel_source.ensure(cache, write_archive(tmp_path, tarball()), "0" * 64, [patch], kernel_tools)
    assert str(caught.value).startswith(f"{patch} does not apply: ")
    assert message in str(caught.value)
    assert incomplete_sources(cache) == []
    assert not list(tmp_path.rglob("new.c"))


def test_a_key_depends_on_content_and_order() -> None:
    keys = {kernel_source.key("0" * 64, each) for each in ([], [b"a"], [b"a", b"b"], [b"b", b"a"])}
    assert len(keys) == 4

"""The /usr of a machine: its links in the store, and the libraries of packages that are not usr-merged."""

from pathlib import Path

from notos.architecture import AMD64
from notos.cache import Cache
from notos.debian.unpack import Unpack
from notos.formats.tree import Symlink, Tree
from notos.system import system_path
from tests.elf_builder import elf
from tests.signed_archive import Deb

LIB = "lib/x86_64-linux-gnu"


def built(folder: Path, files: dict[str, bytes | str]) -> Tree:
    path = folder / "one.deb"
    path.write_bytes(Deb("one", files=files).build())
    return system_path.build([Unpack(path)], AMD64, Cache(folder / "cache"))


def test_relative_links_to_other_folders_of_the_root_are_absolute(tmp_path: Path) -> None:
    """In the store, ../ of system-path is /nix/store."""
    links = {
        "usr/bin/a": "../../etc/a",
        "usr/bin/b": "../share/b",
        "usr/bin/c": "../../bin/x",
        "usr/share/d": "/etc/d",
        "etc/e": "../usr/lib/e",
        "etc/f": "sub/f",
        "etc/sub/g": "../../etc/g",
        "usr/share/h": "../../var/lib/h",
    }
    files = {"usr/share/b": b"", "usr/bin/x": b"", "etc/a": b"", "usr/lib/e": b""}
    tree = built(tmp_path, {**links, **files})
    found = {
        path: entry.target
        for path, entry in tree.as_usr().items()
        if isinstance(entry, Symlink) and path in links
    }
    assert found == {
        **links,
        "usr/bin/a": "/etc/a",
        "usr/bin/c": "/bin/x",
        "etc/e": "/usr/lib/e",
        "usr/share/h": "/var/lib/h",
    }


def test_the_loader_of_bookworm(tmp_path: Path) -> None:
    loader = AMD64.loader_name
    tree = built(
        tmp_path,
        {
            f"{LIB}/{loader}": elf(soname=loader),
            f"{LIB}/libc.so.6": elf(loader, soname="libc.so.6"),
            f"lib64/{loader}": f"/{LIB}/{loader}",
            "bin/tool": elf("libc.so.6", interpreter=AMD64.loader),
        },
    )
    assert tree.get(f"lib64/{loader}") == Symlink(f"/{LIB}/{loader}")
    assert f"{LIB}/{loader}" in tree

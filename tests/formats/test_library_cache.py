"""The cache of libraries, compared with ldconfig(8)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.formats import library_cache
from notos.formats.tree import Tree
from notos.system import library_cache as system_cache
from tests.elf_builder import AARCH64, elf

LDCONFIG = shutil.which("ldconfig", path="/sbin:/usr/sbin:/usr/bin")
needs_ldconfig = pytest.mark.skipif(LDCONFIG is None, reason="this host has no ldconfig")
NAMES = [
    *(
        "liba.so.1",
        "liba.so.10",
        "liba.so.2",
        "liba-1.so.0",
        "liba1.so.0",
        "libab.so.0",
        "libz_.so",
        "libZ.so.3",
    ),
    *(
        "libstdc++.so.6",
        "libicu72.so",
        "libicu9.so",
        "lib2.so.1",
        "lib10.so.1",
        "libq.so.00",
        "libq.so.1.0.2",
    ),
]


def listed(cache: Path) -> list[str]:
    """Return the lines that ldconfig prints about a cache."""
    command = [LDCONFIG or "", "-p", "-C", str(cache)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1:]


def placed(root: Path) -> Tree:
    """Return a tree in which the folder `root` has its path on this host."""
    tree = Tree()
    tree.graft(str(root).lstrip("/"), Tree.from_directory(root))
    return tree


@needs_ldconfig
def test_the_entries_and_their_order_are_those_of_ldconfig(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number, folder in enumerate(("one", "two/three")):
        (root / folder).mkdir(parents=True)
        for name in NAMES[number::2] + NAMES[:4]:
            (root / folder / name).write_bytes(elf("libc.so.6", soname=name))
    one = root / "one"
    (one / "libreal.so.1.2.3").write_bytes(elf("libc.so.6", soname="libreal.so.1"))
    (one / "libreal.so.1").symlink_to("libreal.so.1.2.3")
    (one / "libreal.so.1.2").symlink_to("libreal.so.1.2.3")
    (one / "libreal.so").symlink_to("libreal.so.1.2.3")
    (one / "libdata.so.1.0").write_bytes(elf(soname="libdata.so.1"))
    (one / "libnone.so.2").write_bytes(elf("libc.so.6"))
    (one / "libfar.so.7").symlink_to("../two/three/liba.so.1")
    (one / "libdangling.so.7").symlink_to("missing")
    (one / "libtext.so").write_text("/* GNU ld script */\n")
    (one / "plugin.so").write_bytes(elf("libc.so.6", soname="plugin.so"))
    (one / "libarm.so.1").write_bytes(elf("libc.so.6", soname="libarm.so.1", machine=AARCH64))
    conf = tmp_path / "ld.so.conf"
    text = f"# folders\n{one}\n\n{root}/two/three # more\n{root}/missing\n"
    conf.write_text(text)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    own = system_cache.build(placed(root), {"etc/ld.so.conf": text}, AMD64)
    assert f"{one}/libdata.so.1.0\0".encode() in own  # the path with its name is missing
    subprocess.run([LDCONFIG or "", "-f", str(conf), "-C", str(theirs)], check=True, capture_output=True)
    assert (one / "libdata.so.1").is_symlink()
    ours.write_bytes(system_cache.build(placed(root), {"etc/ld.so.conf": text}, AMD64))
    expected = [line for line in listed(theirs) if str(root) in line and "libarm" not in line]
    rows: dict[str, str] = {}
    for line in expected:  # ldconfig also lists further libraries of the same name, which ld.so never takes
        rows.setdefault(line.partition(" => ")[0], line)
    assert [line for line in listed(ours) if str(root) in line] == list(rows.values())
    assert len(rows) > len(NAMES)


def test_the_configuration() -> None:
    texts = {
        "etc/ld.so.conf": "include ld.so.conf.d/*.conf other\n/last /no\nhwcap 0 nosegneg\nrelative\n",
        "etc/ld.so.conf.d/b.conf": "/b/=libc6\ninclude /etc/ld.so.conf\n",
        "etc/ld.so.conf.d/a.conf": "  /a  # comment\n/b\n",
        "etc/ld.so.conf.d/c.txt": "/c\n",
        "etc/other": "/other\n",
    }
    assert library_cache.folders(texts) == ["a", "b", "other", "last"]
    assert library_cache.folders({}) == []


@pytest.mark.parametrize(
    "path, files, needed",
    [
        ("lib/x86_64-linux-gnu/liba.so.1", {}, False),
        ("lib/x86_64-linux-gnu/more/liba.so.1", {}, False),
        ("local/lib/liba.so.1", {}, True),
        ("lib/x86_64-linux-gnu/more/liba.so.1", {"more.conf": "/lib/x86_64-linux-gnu/more\n"}, True),
    ],
)
def test_a_machine_has_a_cache_if_a_further_folder_has_libraries(
    path: str, files: dict[str, str], needed: bool
) -> None:
    system = Tree()
    system.file(path, elf("libc.so.6"))
    texts = {f"etc/ld.so.conf.d/{name}": text for name, text in files.items()}
    assert system_cache.is_needed(system, Tree(), texts, AMD64) is needed


def test_a_folder_in_opt() -> None:
    opt = Tree()
    opt.file("app/lib/liba.so", elf("libc.so.6", soname="liba.so"))
    texts = {"etc/ld.so.conf.d/app.conf": "/opt/app/lib\n"}
    assert system_cache.is_needed(Tree(), opt, texts, AMD64)
    root = Tree()
    root.graft("opt", opt)
    assert b"/opt/app/lib/liba.so\0" in system_cache.build(root, texts, AMD64)

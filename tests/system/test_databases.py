"""Databases of packages, made by Debian's programs and read by others."""

from pathlib import Path

import pytest

from notos import architecture, loader
from notos.architecture import AMD64
from notos.cache import Cache
from notos.debian.archive import Archive
from notos.formats.tree import File, Tree
from notos.process import run
from notos.system import databases
from notos.toolchain import peers
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import ROOT
from tests.elf_builder import elf

NAMES = (
    "shared-mime-info",
    "libglib2.0-bin",
    "libgdk-pixbuf-2.0-0",
    "desktop-file-utils",
    "dconf-gsettings-backend",
    "udev",
)
LIBRARIES = "usr/lib/x86_64-linux-gnu"
SCHEMA = """<schemalist><schema id="org.example.made-up" path="/made-up/">
<key name="size" type="i"><default>9</default></key></schema></schemalist>
"""
DESKTOP = "[Desktop Entry]\nType=Application\nName=x\nExec=x\nMimeType=a/b;\n"
FILES = {
    "usr/share/glib-2.0/schemas/org.example.made-up.gschema.xml": SCHEMA,
    "usr/share/applications/made-up.desktop": DESKTOP,
}
MADE = {
    "usr/lib/udev/hwdb.bin",
    "usr/share/mime/mime.cache",
    "usr/share/mime/text/plain.xml",
    "usr/share/applications/mimeinfo.cache",
    "usr/share/glib-2.0/schemas/gschemas.compiled",
    f"{LIBRARIES}/gio/modules/giomodule.cache",
    f"{LIBRARIES}/gdk-pixbuf-2.0/2.10.0/loaders.cache",
}


@pytest.fixture(scope="module")
def tools() -> ToolsTree:
    debian = loader.load(ROOT / "config.yaml").machine.debian
    archive = Archive(debian, Cache.default(), architecture.host())
    return peers.tree(NAMES, archive, ROOT / "build/tests/databases.lock")


@pytest.fixture
def packages(tools: ToolsTree) -> Tree:
    """Return a tree of packages with files for each database."""
    tree = Tree()
    for path, entry in Tree.from_directory(tools.root).items():
        if path.startswith("usr/") and path not in tree:
            tree.add(path, entry)
    for path, text in FILES.items():
        tree.text(path, text)
    # A module without its library
    tree.file(f"{LIBRARIES}/gio/modules/libmade-up.so", elf("libmissing.so.1"))
    return tree


def made(packages: Tree, cache: Path) -> dict[str, bytes]:
    before = {path for path, _ in packages.items()}
    databases.add(packages, AMD64, Cache(cache))
    files = ((path, entry) for path, entry in packages.items() if path not in before)
    return {path: entry.read() for path, entry in files if isinstance(entry, File)}


def test_each_database_is_made_and_has_no_path_of_this_host(packages: Tree, tmp_path: Path) -> None:
    found = made(packages, tmp_path / "1")
    assert set(found) >= MADE
    assert not [path for path, data in found.items() if b"/tmp/" in data or b"notos-database" in data]
    assert found[f"{LIBRARIES}/gdk-pixbuf-2.0/2.10.0/loaders.cache"].count(f'"/{LIBRARIES}/gdk'.encode()) > 5
    for path in found:
        packages.remove(path)
    assert made(packages, tmp_path / "1") == found  # from the cache
    for path in found:
        packages.remove(path)
    assert made(packages, tmp_path / "2") == found  # made again


def test_programs_read_them(packages: Tree, tools: ToolsTree, tmp_path: Path) -> None:
    made(packages, tmp_path / "cache")
    root = tmp_path / "root"
    root.mkdir()
    packages.write_to(root)
    (tmp_path / "x.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    environment = {"XDG_DATA_DIRS": str(root / "usr/share"), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    information = run([*tools.command("gio"), "info", str(tmp_path / "x.svg")], env=environment)
    assert b"standard::content-type: image/svg+xml" in information
    loader, option, folders, *hwdb = map(str, tools.command("systemd-hwdb"))
    words = [loader, option, f"{folders}:{folders}/systemd", *hwdb]
    hardware = run([*words, f"--root={root}", "query", "usb:v1D6Bp0001"])
    assert b"ID_VENDOR_FROM_DATABASE=Linux Foundation\n" in hardware
    schemas = str(root / "usr/share/glib-2.0/schemas")
    command = [*tools.command("gsettings"), "--schemadir", schemas, "get", "org.example.made-up", "size"]
    assert run(command, env={**environment, "GSETTINGS_BACKEND": "memory"}) == b"9\n"


def test_a_machine_without_the_programs_has_none(tmp_path: Path) -> None:
    tree = Tree()
    for path, text in FILES.items():
        tree.text(path, text)
    assert made(tree, tmp_path) == {}

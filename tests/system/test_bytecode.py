"""Byte code, compiled and judged by Debian's Python."""

import os
from pathlib import Path

import pytest

from notos import architecture, loader
from notos.architecture import AMD64
from notos.cache import Cache
from notos.debian.archive import Archive
from notos.errors import ToolError
from notos.formats.tree import File, Tree
from notos.process import run
from notos.system import bytecode
from notos.toolchain import peers
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import ROOT

UNCHECKED = 0b01  # the flags of a .pyc (PEP 552)
FILES = {
    "usr/lib/python3/dist-packages/tool/__init__.py": b"ANSWER = 42\n",
    "usr/lib/python3/dist-packages/tool/sets.py": b"def f(x):\n    return x in {None, 'b', 1, ('c', 2.5)}\n",
    "usr/lib/python3/dist-packages/old.py": b"print 'for Python 2'\n",
    "usr/lib/python3/dist-packages/zero.py": b"a = 1\0\n",
    "usr/lib/python3/dist-packages/tab\tname.py": b"b = 2\n",
    "usr/lib/python3.1/other.py": b"a = 1\n",
    "usr/share/app/main.py": b"import tool\n",
    "usr/share/doc/app/example.py": b"a = 1\n",
}


@pytest.fixture(scope="module")
def python() -> ToolsTree:
    debian = loader.load(ROOT / "config.yaml").machine.debian
    return peers.tree(
        ["python3-minimal"],
        Archive(debian, Cache.default(), architecture.host()),
        ROOT / "build/tests/python.lock",
        closure="depends",
    )


@pytest.fixture
def packages(python: ToolsTree) -> Tree:
    """Return a tree of packages: Python and a few files."""
    tree = Tree()
    for path, entry in Tree.from_directory(python.root).items():
        if path.startswith(("usr/bin/python3", "usr/lib")) and path not in tree:
            tree.add(path, entry)
    for path, data in FILES.items():
        tree.file(path, data)
    return tree


def compiled(tree: Tree) -> dict[str, bytes]:
    files = ((path, entry) for path, entry in tree.items() if isinstance(entry, File))
    return {path: file.read() for path, file in files if path.endswith(".pyc")}


def version(tree: Tree) -> str:
    return str(tree.resolve("usr/bin/python3")).rpartition(".")[2]


def test_all_that_can_be_imported_is_compiled(packages: Tree, tmp_path: Path) -> None:
    bytecode.add(packages, AMD64, Cache(tmp_path))
    made, tag = compiled(packages), f"cpython-3{version(packages)}"
    own = {path for path in made if "/dist-packages/" in path or path.startswith("usr/share")}
    assert own == {
        f"usr/lib/python3/dist-packages/tool/__pycache__/__init__.{tag}.pyc",
        f"usr/lib/python3/dist-packages/tool/__pycache__/sets.{tag}.pyc",
        f"usr/share/app/__pycache__/main.{tag}.pyc",
    }
    assert f"usr/lib/python3.{version(packages)}/__pycache__/os.{tag}.pyc" in made
    assert all(int.from_bytes(data[4:8], "little") == UNCHECKED for data in made.values())


def test_python_runs_it_without_a_look_at_the_source(
    packages: Tree, python: ToolsTree, tmp_path: Path
) -> None:
    bytecode.add(packages, AMD64, Cache(tmp_path / "cache"))
    packages.replace("usr/lib/python3/dist-packages/tool/__init__.py", File(b"ANSWER = 43\n"))
    (tmp_path / "root").mkdir()
    packages.write_to(tmp_path / "root")
    before = set((tmp_path / "root").rglob("*"))
    loaded = run(
        [
            *(python.loader, "--library-path", python.libraries),
            tmp_path / "root" / str(packages.resolve("usr/bin/python3")),
            *("-S", "-c", "import tool, sys; print(tool.ANSWER, tool.__spec__.cached, sys.path)"),
        ],
        env={
            "PYTHONHOME": str(tmp_path / "root/usr"),
            "PYTHONPATH": str(tmp_path / "root/usr/lib/python3/dist-packages"),
        },
    ).decode()
    assert loaded.startswith("42 ")
    assert set((tmp_path / "root").rglob("*")) == before


def test_the_bytes_do_not_depend_on_order_processors_or_environment(
    packages: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        path: entry.read()
        for path, entry in packages.items()
        if path.endswith(".py") and path.count("/") < 4 and isinstance(entry, File)
    }
    one = bytecode.compiled(packages, sources, AMD64, Cache(tmp_path / "one"))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("LC_ALL", "tr_TR.ISO-8859-9")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    turned = dict(reversed(sources.items()))
    assert bytecode.compiled(packages, turned, AMD64, Cache(tmp_path / "other")) == one
    assert len(one) > 80


def test_what_the_cache_has_is_not_compiled_again(
    packages: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {path: FILES[path] for path in FILES if "dist-packages" in path}
    first = bytecode.compiled(packages, sources, AMD64, Cache(tmp_path))
    calls: list[object] = []

    def counted(*words: object, **values: object) -> bytes:
        calls.append(words)
        return run(*words, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(bytecode, "run", counted)
    assert bytecode.compiled(packages, sources, AMD64, Cache(tmp_path)) == first
    assert not calls
    for each in (tmp_path / "bytecode").rglob("*"):
        if each.is_file():
            each.write_bytes(each.read_bytes()[:-1])
    assert bytecode.compiled(packages, sources, AMD64, Cache(tmp_path)) == first
    assert len(calls) == 1


def test_a_machine_without_python_pays_nothing(tmp_path: Path) -> None:
    tree = Tree()
    tree.file("usr/share/app/main.py", b"import os\n")
    bytecode.add(tree, AMD64, Cache(tmp_path / "cache"))
    assert not compiled(tree) and not (tmp_path / "cache").exists()


def test_a_python_that_does_not_run_is_an_error(packages: Tree, tmp_path: Path) -> None:
    packages.remove(f"usr/lib/python3.{version(packages)}/encodings")
    with pytest.raises(ToolError):
        bytecode.compiled(packages, {"usr/share/a.py": b""}, AMD64, Cache(tmp_path))


def test_files_of_the_config(packages: Tree, tmp_path: Path) -> None:
    """They are compiled too. Byte code of a file that one replaces goes away, because Python would run it."""
    cache, library = Cache(tmp_path), "lib/python3/dist-packages/tool"
    tag = f"cpython-3{version(packages)}"
    bytecode.add(packages, AMD64, cache)
    system, usr, opt = Tree(), Tree(), Tree()
    for path, entry in packages.items():
        for tree in (system, usr):
            if path != "usr":
                tree.add(path.removeprefix("usr/"), entry)
    before = compiled(usr)
    usr.replace(f"{library}/__init__.py", File(b"ANSWER = 43\n"))
    usr.replace(f"{library}/sets.py", File(b"print 'for Python 2'\n"))
    names = [f"{library}/__init__.py", f"{library}/sets.py"]
    bytecode.add_to_files(usr, "usr", names, system=system, target=AMD64, cache=cache)
    after = compiled(usr)
    own, lost = (f"{library}/__pycache__/{name}.{tag}.pyc" for name in ("__init__", "sets"))
    assert before.keys() - after.keys() == {lost}
    assert [path for path in after if after[path] != before[path]] == [own]

    opt.file("app/app.py", b"import tool\n")
    opt.file("app/data.txt", b"")
    bytecode.add_to_files(
        opt, "opt", ["app/app.py", "app/data.txt"], system=system, target=AMD64, cache=cache
    )
    (path,) = compiled(opt)
    assert path == f"app/__pycache__/app.{tag}.pyc"
    assert b"/opt/app/app.py" in compiled(opt)[path]
    bytecode.add_to_files(opt, "opt", ["app/app.py"], system=Tree(), target=AMD64, cache=cache)

"""Alternatives of packages, compared with update-alternatives(1)."""

import os
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from notos.architecture import AMD64
from notos.errors import NotosError
from notos.formats.tree import Symlink, Tree
from notos.integration import alternatives
from notos.process import run
from tests.conftest import FIXTURES, Tool
from tests.integration.packages import laid_out, script
from tests.signed_archive import Deb

NANO = Deb(
    "nano",
    files={"bin/nano": b"nano", "usr/share/man/man1/nano.1.gz": b"manual"},
    scripts={
        "postinst": script(
            'case "$1" in',
            "  configure)",
            "    update-alternatives --install /usr/bin/editor editor /bin/nano 40 \\",
            "      --slave /usr/share/man/man1/editor.1.gz editor.1.gz /usr/share/man/man1/nano.1.gz ;;",
            "esac",
        )
    },
)
VIM = Deb(
    "vim-tiny",
    files={"usr/bin/vim.tiny": b"vim"},
    scripts={
        "postinst": script(
            'if [ "$1" = "configure" ]; then',
            "  for i in vi editor; do",
            "    update-alternatives --install /usr/bin/$i $i /usr/bin/vim.tiny 15",
            "  done",
            "fi",
        )
    },
)


def links(tree: Tree) -> dict[str, str]:
    return {path: entry.target for path, entry in tree.items() if isinstance(entry, Symlink)}


def applied(folder: Path, *made: Deb, keep: tuple[str, ...] = (), **chosen: str) -> dict[str, str]:
    tree, context = laid_out(folder, made, {"alternatives": chosen}, keep=keep)
    alternatives.apply(tree, context)
    return links(tree)


def test_the_highest_priority_wins_and_manuals_follow_if_they_are_kept(tmp_path: Path) -> None:
    common = {
        "etc/alternatives/editor": "/bin/nano",
        "etc/alternatives/vi": "/usr/bin/vim.tiny",
        "usr/bin/editor": "/etc/alternatives/editor",
        "usr/bin/vi": "/etc/alternatives/vi",
    }
    assert applied(tmp_path, NANO, VIM) == common
    assert applied(tmp_path, NANO, VIM, keep=("man",)) == {
        **common,
        "etc/alternatives/editor.1.gz": "/usr/share/man/man1/nano.1.gz",
        "usr/share/man/man1/editor.1.gz": "/etc/alternatives/editor.1.gz",
    }


@pytest.mark.parametrize("choice", ["vim.tiny", "/usr/bin/vim.tiny", "vim-tiny"])
def test_the_config_overrides(tmp_path: Path, choice: str) -> None:
    found = applied(tmp_path, NANO, VIM, keep=("man",), editor=choice)
    assert found["etc/alternatives/editor"] == "/usr/bin/vim.tiny"
    assert "usr/share/man/man1/editor.1.gz" not in found  # a slave of nano


def test_errors_name_all_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(NotosError) as raised:
        applied(tmp_path, NANO, VIM, editr="nano", editor="emacs", vi="nano")
    assert [(each.message, each.hint, each.keys) for each in raised.value.parts] == [
        (
            "no package of the system has the alternative editr",
            "did you mean editor?",
            ("alternatives", "editr"),
        ),
        (
            "emacs is no choice for editor",
            "the choices of the system's packages are /bin/nano, /usr/bin/vim.tiny",
            ("alternatives", "editor"),
        ),
        (
            "nano is no choice for vi",
            "the choices of the system's packages are /usr/bin/vim.tiny",
            ("alternatives", "vi"),
        ),
    ]


def library(name: str, folder: str, priority: int) -> Deb:
    path = f"usr/lib/{AMD64.gnu}/{folder}/libblas.so.3"
    group = f"libblas.so.3-{AMD64.gnu}"
    return Deb(
        name,
        files={path: name.encode()},
        scripts={
            "postinst": script(
                f"update-alternatives --install /usr/lib/{AMD64.gnu}/libblas.so.3 {group} /{path} {priority}"
            )
        },
    )


def test_a_library_is_chosen_by_its_folder(tmp_path: Path) -> None:
    made = (library("libblas3", "blas", 10), library("libopenblas0", "openblas", 100))
    link = f"etc/alternatives/libblas.so.3-{AMD64.gnu}"
    assert applied(tmp_path, *made)[link].endswith("/openblas/libblas.so.3")
    tree, context = laid_out(tmp_path, made, {"alternatives": {"libblas.so.3": "blas"}})
    alternatives.apply(tree, context)
    assert tree.resolve(f"usr/lib/{AMD64.gnu}/libblas.so.3") == f"usr/lib/{AMD64.gnu}/blas/libblas.so.3"


def test_a_file_of_a_package_is_no_alternative(tmp_path: Path) -> None:
    editor = Deb("editor", files={"usr/bin/editor": b"a program of this name"})
    assert "usr/bin/editor" not in applied(tmp_path, editor, NANO)


PROGRAMS = tuple(f"/usr/bin/program-{each}" for each in "abcd")
CALLS = st.dictionaries(
    st.sampled_from(PROGRAMS),
    st.tuples(st.integers(-5, 5), st.lists(st.sampled_from("xyz"), unique=True)),
    min_size=1,
)


@settings(max_examples=25, suppress_health_check=FIXTURES)
@given(calls=CALLS)
def test_update_alternatives_agrees(
    tmp_path_factory: pytest.TempPathFactory, tool: Tool, calls: dict[str, tuple[int, list[str]]]
) -> None:
    """All links are the same, with slaves that only some choices have, and with files that are missing."""
    priorities = [priority for priority, _ in calls.values()]
    # Of equal ones, update-alternatives takes one by the order of the calls.
    assume(len(set(priorities)) == len(priorities))
    folder = tmp_path_factory.mktemp("alternatives")
    lines = []
    files: dict[str, bytes | str] = {}
    for path, (priority, slaves) in sorted(calls.items()):
        files[path[1:]] = b"program"
        words = ["--install", "/usr/bin/generic", "generic", path, str(priority)]
        for slave in slaves:
            if slave != "z":  # its file is missing
                files[f"usr/share/{slave}{path[-1]}"] = b"slave"
            words += ["--slave", f"/usr/share/{slave}", slave, f"/usr/share/{slave}{path[-1]}"]
        lines.append(" ".join(["update-alternatives", *words]))
    tree, context = laid_out(folder, [Deb("made-up", files=files, scripts={"postinst": script(*lines)})])
    root = folder / "root"
    root.mkdir()
    tree.write_to(root)
    (root / "var/lib/dpkg/alternatives").mkdir(parents=True)
    (root / "etc/alternatives").mkdir(parents=True)
    for line in lines:
        run([*tool("update-alternatives"), "--root", str(root), "--log", os.devnull, *line.split()[1:]])
    alternatives.apply(tree, context)
    made = {str(path.relative_to(root)): os.readlink(path) for path in root.rglob("*") if path.is_symlink()}
    assert links(tree) == made


@pytest.mark.parametrize(
    ("words", "slaves"),
    [
        ('--slave /usr/share/x/1 one "$(uname -r)"', []),
        ('--slave /usr/share/x/1 one "/usr/$(uname -r)" --slave /usr/share/x/2 two /usr/bin/b', ["two"]),
        ('--slave /usr/share/x/2 two /usr/bin/b --slave "$(uname -r)"', ["two"]),
    ],
)
def test_slaves_that_depend_on_the_running_system_are_left_out(
    tmp_path: Path, words: str, slaves: list[str]
) -> None:
    line = f"update-alternatives --install /usr/bin/x x /usr/bin/a 10 {words}"
    made = Deb("made", files={"usr/bin/a": b"", "usr/bin/b": b""}, scripts={"postinst": script(line)})
    found = applied(tmp_path, made)
    assert found["usr/bin/x"] == "/etc/alternatives/x"
    assert [name for name in ("one", "two") if f"etc/alternatives/{name}" in found] == slaves
    _, context = laid_out(tmp_path, [made])
    assert not any(map(alternatives.understood, context.calls("update-alternatives")))  # the rest is reported


@pytest.mark.parametrize("words", ["10 --slave /usr/share/x/1 one", "ten", ""])
def test_a_call_with_missing_words_is_not_done(tmp_path: Path, words: str) -> None:
    line = f"update-alternatives --install /usr/bin/x x /usr/bin/a {words}"
    made = Deb("made", files={"usr/bin/a": b""}, scripts={"postinst": script(line)})
    assert applied(tmp_path, made) == {}

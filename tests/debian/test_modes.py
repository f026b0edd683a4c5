"""Modes and owners in the words of commands, against the programs of this host."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.debian import modes

CLAUSES = st.from_regex(r"\A[ugoa]{0,3}([-+=]([rwxXst]{0,4}|[ugo])){1,2}\Z").filter(
    lambda each: each[0] in "ugoa"
)
TEXTS = st.lists(CLAUSES, min_size=1, max_size=3).map(",".join) | st.from_regex(r"\A[0-7]{1,5}\Z").filter(
    lambda each: int(each, 8) <= 0o7777
)


@given(mode=st.integers(0, 0o7777), text=TEXTS, folder=st.booleans())
def test_chmod_agrees(
    tmp_path_factory: pytest.TempPathFactory, mode: int, text: str, *, folder: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / ("folder" if folder else "file")
    if folder:
        path.mkdir(exist_ok=True)
    else:
        path.write_bytes(b"")
    path.chmod(mode)
    subprocess.run(["chmod", text, str(path)], check=True)
    assert modes.changed(mode, text, folder=folder) == path.stat().st_mode & 0o7777


@given(
    present=st.integers(0, 0o777),
    text=st.from_regex(r"\A([ugoa]{1,3}[-+=][rwx]{0,3}(,|\Z)){1,2}\Z").filter(lambda each: each[-1] != ","),
)
def test_umask_agrees(present: int, text: str) -> None:
    found = subprocess.run(
        ["bash", "-c", f"umask {present:o}; umask {text}; umask"], check=True, capture_output=True, text=True
    )
    assert modes.umask(text, present) == int(found.stdout, 8)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("chown a.b p", modes.Change(("p",), owner="a", group="b")),
        ("chown www-data.adm p q", modes.Change(("p", "q"), owner="www-data", group="adm")),
        ("chown -Rh a: p", modes.Change(("p",), owner="a", group="a", recursive=True)),
        ("chown a. p", modes.Change(("p",), owner="a", group="a")),
        ("chown :1 p", modes.Change(("p",), group="1")),
        ("chgrp --recursive g p", modes.Change(("p",), group="g", recursive=True)),
        ("chmod -fR u+x p", modes.Change(("p",), mode="u+x", recursive=True)),
        ("chmod -x p", modes.Change(("p",), mode="-x")),
        ("chmod -- -x p", modes.Change(("p",), mode="-x")),
        ("chmod u+y p", None),
        ("chmod --reference=q p", None),
        ("chown a:b:c p", None),
        ("chown a", None),
    ],
)
def test_change(words: str, found: modes.Change | None) -> None:
    assert modes.change(words.split()) == found


@pytest.mark.parametrize(
    "words",
    [
        "install -m 2750 -o a -g b s t",
        "install -m2750 -oa -gb s t",
        "install -Dvm2750 -oa --group=b s t",
        "install --mode 2750 --owner a s t -g b",
        "install -m u=rwx,g=rxs -o a -g b -- s t",
    ],
)
def test_install(words: str) -> None:
    assert modes.install(words.split()) == modes.Install(("s", "t"), 0o2750, "a", "b", folders=False)
    assert modes.install([*words.split(), None]) is None

"""Rendering scripts, and what shellcheck says of every script, rendered."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.errors import ScriptError
from notos.system.template import render
from tests.conftest import Project

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.prefix, "bin")


def test_values_go_into_assignments_and_the_first_line() -> None:
    text = "#!@shell@/bin/ash\nname=@name@\nports=@ports@\necho $name\n"
    values = {"shell": "/nix/store/x", "name": "a b", "ports": ["1:2", "3:4"]}
    assert (
        render(text, values, name="x") == "#!/nix/store/x/bin/ash\nname='a b'\nports='1:2 3:4'\necho $name\n"
    )


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_reaches_the_script_as_it_is(value: str) -> None:
    script = render('value=@value@\nprintf %s "$value"\n', {"value": value}, name="x")
    done = subprocess.run(["/bin/sh"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout == value.encode()


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("name=@nam@\n", {"name": "x"}, r"x:1: no value for @nam@"),
        ("a=1\necho @name@\n", {"name": "x"}, r"x:2: a marker is outside an assignment"),
        ("echo\n", {"name": "x"}, r"x has no @name@"),
        ("name=@name@\n", {"name": ["a b"]}, r"'a b' cannot be part of a list"),
        ("name=@name@ # why\n", {"name": "x"}, r"x:1: a marker is outside"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, values: dict[str, str], message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        render(text, values, name="x")


def test_rendered_scripts_please_shellcheck(built: Project) -> None:
    """Those of the built machine; their sources are checked by `doit check`."""
    store = built.root / "build/notos/store"
    found = [built.root / "build/notos/runvm.sh"]
    for name in ("stage-1", "stage-2", "runit", "toplevel"):
        (folder,) = store.glob(f"*-{name}")
        found += [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    scripts = [path for path in found if path.read_bytes().startswith((b"#!/bin/sh", b"#!/nix"))]
    assert len(scripts) >= 15
    # Stage 1 runs in busybox's ash, whose shebang is a store path.
    words: list[str | Path] = [BIN / "shellcheck", "-s", "dash", "-e", "SC1008,SC1091", *scripts]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

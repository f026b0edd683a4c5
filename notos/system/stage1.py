"""The scripts of the config's `boot` in the stage-1 object."""

from collections.abc import Iterable
from pathlib import Path

from notos.features.model import Script
from notos.formats.tree import Tree
from notos.system import template

_SHELL = "#!/bin/sh\n"  # a path that the initrd lacks


def add_scripts(tree: Tree, scripts: Iterable[Script], *, folder: Path, shell: str) -> None:
    """Add `scripts` to the stage-1 object's `tree`.

    A script without a text is a file in `folder`. `shell` is the path of the initrd's shell. Raises
    ScriptError.
    """
    for each in scripts:
        if each.text:
            text = f"#!{shell}\n{each.text.removeprefix(_SHELL)}"
        else:
            text = template.render((folder / each.source).read_text(), each.values, name=each.source)
        tree.text(each.path, text, executable=True)

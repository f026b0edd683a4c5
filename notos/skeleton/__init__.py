"""New projects: `notos new DIR` copies project/ and inserts the machine's name into its files."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from notos.errors import NotosError, UsageError
from notos.pyyaml import yaml

_FILES = Path(__file__).parent / "project"
# Files that tools would act on under their real names here.
_RENAMED = {"gitignore": ".gitignore", "workflow.yml": ".github/workflows/test.yml"}
# Files in a repository that a hosting service has just created.
_FRESH = {".git", "LICENSE", "LICENSE.md", "LICENSE.txt", "README", "README.md"}
_EXAMPLE = "for example notos new web"


def main(words: Sequence[str]) -> int:
    """Create the project that the arguments `words` name, and print the next steps.

    Raises UsageError, NotosError.
    """
    given = [each for each in words if each != "--"]
    for each in given:
        if each.startswith("-"):
            raise UsageError(f"unknown option of new: {each}", hint=_EXAMPLE)
    if len(given) != 1 or not given[0]:
        wrong = "new takes one folder" if given else "missing argument: the folder of the project"
        raise UsageError(wrong, hint=_EXAMPLE)
    folder = Path(given[0])
    name = make(folder)
    steps = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    steps += ["notos build", "notos test"]
    print("\n    ".join([f"created the project {name} in {folder}; next:\n", *steps]))
    return 0


def make(folder: Path) -> str:
    """Create a project in `folder` and return its machine's name.

    The folder must be missing, empty or a fresh repository, whose README and licence are kept.
    Raises NotosError.
    """
    name = machine_name(folder.absolute().name)
    values = {"@name@": name, "@hostname@": name}
    try:
        had = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
        if had - _FRESH:
            raise UsageError(f"{folder} is not empty", hint="name a new folder")
        for source in sorted(path for path in _FILES.rglob("*") if path.is_file()):
            if "__pycache__" in source.parts:
                continue
            path = source.relative_to(_FILES).as_posix()
            target = folder / _RENAMED.get(path, path)
            if target.name in had:
                continue
            text = source.read_text()
            for marker, value in values.items():
                text = text.replace(marker, _quoted(value) if path == "config.yaml" else value)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            if source.stat().st_mode & 0o100:
                target.chmod(target.stat().st_mode | 0o111)
    except OSError as error:
        raise NotosError(
            f"cannot write {error.filename or folder}: {error.strerror}", hint="name another folder"
        ) from None
    return name


def machine_name(text: str) -> str:
    """Return a machine name for a folder called `text`; it is also a valid host name (RFC 1123)."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-") or "machine"


def _quoted(text: str) -> str:
    """Return `text` as a YAML scalar, in quotes if YAML would not read it as a string."""
    return text if yaml.safe_load(text) == text else json.dumps(text)

"""Estimate of the number of files that a kernel's build compiles, from its makefiles and changed options.

It is for progress only; make decides. Sources: Documentation/kbuild/makefiles.rst of the kernel, and
scripts/basic/fixdep.c for the .cmd files, which list the options that each object was compiled with.
"""

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from notos.architecture import Architecture
from notos.kernel.kconfig import Config, symbols

_ROOTS = ("", "lib")  # folders that are in no obj-y of a parent folder, besides those of the architecture
_ASSIGNMENT = re.compile(r"([\w./$()-]+)\s*[+:]?=\s*(.*)")
_CONFIG = re.compile(r"\$[({]CONFIG_(\w+)[)}]")
_VARIABLE = re.compile(r"\$[({]\w+[)}]")
_TOUCHED = re.compile(rb"include/config/(\w+)\)")


@dataclass(frozen=True)
class Plan:
    """The objects to compile for `config` from `source` into `output` in its present state."""

    source: Path
    output: Path
    config: str
    target: Architecture

    @cached_property
    def total(self) -> int:
        """The approximate number of objects to compile."""
        planned = self.named
        known = self._known()
        if not known:
            return len(planned)
        then = self._note.read_text().split() if self._note.exists() else list(planned & known.keys())
        new = {each for each in planned if each not in known} - set(then)
        changed = self._changed()
        touched = sum(1 for command in known.values() if changed and _touches(command, changed))
        return len(new) + touched

    def note(self) -> None:
        """Record the named objects after all of them have been compiled."""
        self._note.write_text("\n".join(sorted(self.named)))

    @cached_property
    def named(self) -> frozenset[str]:
        """The objects that the makefiles name, as paths relative to the output."""
        top = f"arch/{self.target.kernel_folder}"
        lists = {f"{top}/{path}".rstrip("/"): name for path, name in self.target.kernel_objects.items()}
        walk = _Walk(self.source, symbols(self.config), self.target, lists)
        for each in (*_ROOTS, *lists):
            walk.folder(each)
        return frozenset(walk.objects)

    @property
    def _note(self) -> Path:
        return self.output / ".notos" / "objects"

    def _known(self) -> dict[str, bytes]:
        """Return the contents of the .cmd files of existing objects, by object."""
        found = {}
        for folder, folders, files in os.walk(self.output):
            if folder == str(self.output):
                folders[:] = [each for each in folders if each not in ("scripts", "tools", ".notos")]
            for file in files:
                if file.endswith(".o.cmd"):
                    name = os.path.relpath(f"{folder}/{file[1:-4]}", self.output)
                    found[name] = Path(folder, file).read_bytes()
        return found

    def _changed(self) -> frozenset[bytes]:
        """Return the symbols whose values changed since the last build."""
        try:
            # Texts in auto.conf have no quotes.
            then = symbols((self.output / "include/config/auto.conf").read_text())
        except FileNotFoundError:
            return frozenset()
        now = {name: value.strip('"') for name, value in symbols(self.config).items()}
        return frozenset(
            each.encode() for each in then.keys() | now.keys() if then.get(each, "") != now.get(each, "")
        )


def _touches(command: bytes, changed: frozenset[bytes]) -> bool:
    return not changed.isdisjoint(_TOUCHED.findall(command))


@dataclass
class _Walk:
    """A walk over the makefiles, folder by folder."""

    source: Path
    config: Config
    target: Architecture
    more: Mapping[str, str]  # by folder, the list of objects besides obj-y
    objects: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def folder(self, path: str) -> None:
        """Add the objects that the makefile of the folder `path` names."""
        path = posixpath.normpath(path) if path else ""
        if path in self._seen or path.startswith(".."):
            return
        self._seen.add(path)
        lists = self._lists(path)
        wanted = [
            *lists.get("obj-y", []),
            *lists.get("obj-m", []),
            *lists.get("lib-y", []),
            *lists.get("lib-m", []),
        ]
        wanted += lists.get(self.more.get(path, ""), [])
        for word in ("core-y", "libs-y", "drivers-y", "net-y", "virt-y"):
            wanted += [
                f"{posixpath.relpath(each, path or '.')}/"
                for each in lists.get(word, [])
                if each.endswith("/")
            ]
        for word in wanted:
            if word.endswith("/"):
                self.folder(posixpath.join(path, word[:-1]))
            elif word.endswith(".o"):
                self.objects.update(
                    posixpath.normpath(posixpath.join(path, each)) for each in _parts(word, lists)
                )

    def _lists(self, path: str) -> dict[str, list[str]]:
        for name in ("Kbuild", "Makefile"):
            file = self.source / path / name
            if file.is_file():
                return _read(file.read_text(errors="replace"), self.config, self.target)
        return {}


def _parts(word: str, lists: dict[str, list[str]], depth: int = 0) -> Iterator[str]:
    stem = word[:-2]
    inner = [
        each for kind in ("objs", "y", "m") for each in lists.get(f"{stem}-{kind}", []) if each.endswith(".o")
    ]
    if not inner or depth > 3:
        yield word
        return
    for each in inner:
        yield from _parts(each, lists, depth + 1)


def _read(text: str, config: Config, target: Architecture) -> dict[str, list[str]]:
    """Return the lists of words that a makefile assigns, in the branches whose conditions are true."""
    variables = {"$(BITS)": str(target.bits), "$(SRCARCH)": target.kernel_folder, "$(obj)/": ""}
    lists: dict[str, list[str]] = {}
    open_: list[bool] = []
    for raw in text.replace("\\\n", " ").split("\n"):
        line = raw.partition("#")[0]
        if line.startswith("\t"):
            continue
        line = _CONFIG.sub(lambda match: config.get(match[1], ""), line.strip())
        for variable, value in variables.items():
            line = line.replace(variable, value)
        word, _, rest = line.partition(" ")
        if word in ("ifeq", "ifneq", "ifdef", "ifndef"):
            open_.append(_holds(word, rest.strip(), config))
        elif word == "else" and open_:
            inner, _, condition = rest.strip().partition(" ")
            open_[-1] = not open_[-1] and (not inner or _holds(inner, condition.strip(), config))
        elif word == "endif" and open_:
            open_.pop()
        elif all(open_) and (match := _ASSIGNMENT.fullmatch(line)):
            lists.setdefault(match[1], []).extend(_VARIABLE.sub("", match[2]).split())
    return lists


def _holds(word: str, condition: str, config: Config) -> bool:
    if word in ("ifdef", "ifndef"):
        return bool(config.get(condition.removeprefix("CONFIG_"))) == (word == "ifdef")
    left, _, right = condition.strip("()").partition(",")
    return (left.strip(" \"'") == right.strip(" \"'")) == (word == "ifeq")

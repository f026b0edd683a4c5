"""The files of units: search, aliases, templates and drop-ins (systemd.unit(5)).

A path is relative to the machine's root: usr/lib/systemd/system/nginx.service.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from notos.config.scalars import did_you_mean
from notos.errors import NotosError
from notos.units import unit_names, unit_text
from notos.units.unit_text import Setting
from notos.units.words import WordError, words

# In the order of systemd's search, the first wins.
FOLDERS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_MASK = "/dev/null"
_LONGEST_CHAIN = 16  # links that lead from an alias to its unit


@dataclass(frozen=True)
class UnitFile:
    """A unit with its drop-ins applied: the settings of each section, in systemd's order."""

    name: str  # with the instance: postgresql@17-main.service
    sections: Mapping[str, tuple[Setting, ...]]
    files: tuple[str, ...]  # the unit's file, then its drop-ins: paths for messages
    names: tuple[str, ...]  # this name and the aliases of the unit
    notes: tuple[str, ...] = ()  # lines that systemd ignores


@dataclass(frozen=True)
class UnitFiles:
    """All units of a machine."""

    texts: Mapping[str, bytes]  # contents by path, of units and drop-ins
    links: Mapping[str, str]  # targets of symbolic links by path
    own: Mapping[str, tuple[str, bytes]]  # the user's units by unit name: the file's path for messages, text

    def load(self, name: str) -> UnitFile:
        """Return the unit `name`, with drop-ins and the instance applied.

        A template is its DefaultInstance. Raises NotosError if no package has the unit, if it is masked or
        invalid, or if it is a template without an instance.
        """
        if name not in self._read:
            self._read[name] = self._loaded(name)
        return self._read[name]

    def _loaded(self, name: str) -> UnitFile:
        if not unit_names.is_valid(name):
            raise NotosError(f"{name} is not the name of a unit", hint="write for example nginx.service")
        main, fragment = self._found(name)
        if fragment is None:
            raise NotosError(f"no package has the unit {name}", hint=self._hint(name))
        if fragment == _MASK:
            raise NotosError(f"the unit {name} is masked: its file is empty or a link to /dev/null")
        text = self._text(fragment, main)
        if unit_names.is_template(main):
            default = _last(text, "Install", "DefaultInstance")
            if not default:
                prefix = unit_names.prefix(main)
                hint = f"write {prefix}@NAME.{unit_names.kind(main)}"
                raise NotosError(f"the unit {name} is a template, which needs an instance", hint=hint)
            main = unit_names.with_instance(main, default)
        names = dict.fromkeys((main, name if not unit_names.is_template(name) else main))
        for alias in self._install_aliases(text, main):
            names.setdefault(alias)
        parts = [text]
        files = [_shown(fragment, self.own, main)]
        for path in self._drop_ins(tuple(names)):
            parts.append(unit_text.parse(self.texts[path], f"/{path}"))
            files.append(f"/{path}")
        sections: dict[str, list[Setting]] = {}
        for part in parts:
            for section, setting in part.settings:
                sections.setdefault(section, []).append(setting)
        return UnitFile(
            main,
            {section: tuple(settings) for section, settings in sections.items()},
            tuple(files),
            tuple(names),
            tuple(note for part in parts for note in part.notes),
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all units and their aliases, sorted; templates end in "@.service"."""
        return tuple(sorted({*self.own, *self._places}))

    def canonical(self, name: str) -> str:
        """Return the main name of the unit that has the name or alias `name`; `name` if no file has it."""
        main, fragment = self._found(name)
        return main if fragment else name

    def exists(self, name: str) -> bool:
        """Return True if `name` is a unit that is not masked, an instance of a template, or an alias."""
        return self._found(name)[1] not in (None, _MASK)

    @cached_property
    def _read(self) -> dict[str, UnitFile]:
        """The units that were loaded, by name."""
        return {}

    @cached_property
    def _places(self) -> Mapping[str, str]:
        """The path of each unit or link by its name."""
        found: dict[str, str] = {}
        for folder in reversed(FOLDERS):
            for path in (*self.texts, *self.links):
                parent, _, name = path.rpartition("/")
                if parent == folder and unit_names.is_valid(name):
                    found[name] = path
        return found

    @cached_property
    def _aliases(self) -> Mapping[str, str]:
        """The main name by each name in Alias= of [Install], which systemd makes a link on enabling."""
        found: dict[str, str] = {}
        for name, path in sorted(self._places.items()):
            if b"Alias=" in self.texts.get(path, b""):
                text = self._text(path, name)
                for alias in self._install_aliases(text, name):
                    found.setdefault(alias, name)
        for name in self.own:
            for alias in self._install_aliases(self._text("", name), name):
                found[alias] = name
        return found

    def _found(self, name: str) -> tuple[str, str | None]:
        """Return the main name of a unit, and the path of its file.

        The path is empty for a unit of the user, /dev/null for a masked one, None if no file has it.
        """
        for _ in range(_LONGEST_CHAIN):
            template = unit_names.template(name)
            for candidate in (name, template) if template else (name,):
                if candidate in self.own:
                    return name, ""
                path = self._places.get(candidate)
                if path is None:
                    continue
                if path in self.texts:
                    return name, path if self.texts[path] else _MASK
                target = posixpath.normpath(posixpath.join("/" + path.rpartition("/")[0], self.links[path]))
                if target == _MASK:
                    return name, _MASK
                other = posixpath.basename(target)
                if not unit_names.is_valid(other) or other == candidate:
                    inside = target.lstrip("/")
                    return name, inside if self.texts.get(inside) else None
                if unit_names.is_template(other) and template:
                    other = unit_names.with_instance(other, unit_names.instance(name))
                name = other
                break
            else:
                if name not in self._aliases:
                    return name, None
                name = self._aliases[name]
        return name, None

    def _text(self, path: str, name: str) -> unit_text.Text:
        if path:
            return unit_text.parse(self.texts[path], f"/{path}")
        template = unit_names.template(name)
        file, data = self.own[name] if name in self.own else self.own[template]
        return unit_text.parse(data, file, own=True)

    def _install_aliases(self, text: unit_text.Text, name: str) -> Iterator[str]:
        for section, setting in text.settings:
            if section == "Install" and setting.key == "Alias":
                try:
                    found = words(setting.value)
                except WordError:
                    continue
                for alias in found:
                    if unit_names.kind(alias) == unit_names.kind(name) and "%" not in alias:
                        yield alias

    def _drop_ins(self, names: tuple[str, ...]) -> list[str]:
        """Return the paths of the drop-ins of a unit with these names, in the order of their file names.

        Of two files with one name, that of the first folder counts; a link to /dev/null masks the others.
        """
        stems = [(f"{folder}/{stem}.d/") for name in names for folder in FOLDERS for stem in _stems(name)]
        stems += [f"{folder}/{unit_names.kind(names[0])}.d/" for folder in FOLDERS]
        found: dict[str, str] = {}
        for start in dict.fromkeys(stems):
            for path in self._with_drop_ins:
                name = path[len(start) :]
                if path.startswith(start) and "/" not in name and name.endswith(".conf"):
                    found.setdefault(name, path)
        paths = [self._target(path) for _, path in sorted(found.items())]
        return [path for path in paths if path in self.texts]

    def _target(self, path: str) -> str:
        if path in self.texts:
            return path
        folder = path.rpartition("/")[0]
        return posixpath.normpath(posixpath.join("/" + folder, self.links[path])).lstrip("/")

    @cached_property
    def _with_drop_ins(self) -> tuple[str, ...]:
        return tuple(path for path in (*self.texts, *self.links) if ".d/" in path)

    def _hint(self, name: str) -> str:
        known = [each for each in self.names() if unit_names.kind(each) == unit_names.kind(name)]
        advice = did_you_mean(name, known, 0.7).removeprefix("; ")
        return advice or "add the package that has it to system.packages"


def _stems(name: str) -> Iterator[str]:
    """Yield the names of the folders of drop-ins without .d, the most specific one first.

    For a-b@c.service: itself, a-b@.service, a-@.service, a-@c.service.
    """
    yield name
    if template := unit_names.template(name):
        yield from _stems(template)
    prefix = unit_names.prefix(name)
    if prefix.endswith("-"):
        prefix = prefix[:-1]
    dash = prefix.rfind("-")
    if dash > 0:
        yield from _stems(prefix[: dash + 1] + name[len(unit_names.prefix(name)) :])


def _last(text: unit_text.Text, section: str, key: str) -> str:
    found = [each.value for name, each in text.settings if name == section and each.key == key]
    return found[-1] if found else ""


def _shown(fragment: str, own: Mapping[str, tuple[str, bytes]], name: str) -> str:
    if fragment:
        return f"/{fragment}"
    return own[name][0] if name in own else own[unit_names.template(name)][0]

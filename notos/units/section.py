"""The settings of one section of a unit, read by key: lists with resets, single values, parsed values."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from notos.units.paths import absolute
from notos.units.report import Report
from notos.units.specifiers import SpecifierError, Specifiers
from notos.units.unit_text import Setting
from notos.units.words import WordError, words

T = TypeVar("T")


def choice(*known: str) -> Callable[[str], str]:
    """Return a parser of one of the words `known`."""

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(f"not one of {', '.join(known)}")
        return text

    return parse


class Section:
    """The settings of a section, with access by key.

    A value that systemd ignores with a warning counts as absent here too, and the report gets a note.
    """

    def __init__(self, settings: Sequence[Setting], specifiers: Specifiers, report: Report) -> None:
        self.settings = tuple(settings)
        self.specifiers = specifiers
        self.report = report

    def all(self, *keys: str) -> list[Setting]:
        """Return the settings of `keys` in order; an empty value removes those before it."""
        found: list[Setting] = []
        for each in self.settings:
            if each.key in keys:
                found = [*found, each] if each.value else []
        return found

    def every(self, *keys: str) -> list[Setting]:
        """Return the settings of `keys` in order, also those with an empty value."""
        return [each for each in self.settings if each.key in keys]

    def values(self, parse: Callable[[str], T], *keys: str, resets: bool = False) -> list[tuple[Setting, T]]:
        """Return the parsed values of all settings of `keys`, without those that `parse` refuses.

        An empty value removes those before it if `resets`, or if the user wrote it. Otherwise systemd
        ignores it.
        """
        found: list[tuple[Setting, T]] = []
        for each in self.every(*keys):
            if not each.value and (resets or each.own):
                found = []
                continue
            try:
                found.append((each, parse(each.value)))
            except ValueError as error:
                self.report.ignored(each, f"{each.value}: {error}" if each.value else "is empty")
        return found

    def last(self, parse: Callable[[str], T], *keys: str, resets: bool = False) -> T | None:
        """Return the last valid value of `keys`, None if there is none; `resets` as in `values`."""
        found = self.values(parse, *keys, resets=resets)
        return found[-1][1] if found else None

    def setting(self, *keys: str) -> Setting | None:
        """Return the last setting of `keys`, None if it is absent or empty."""
        found = self.all(*keys)
        return found[-1] if found else None

    def expanded(self, setting: Setting, text: str, *, fatal: bool = False) -> str | None:
        """Return `text`, a part of a setting's value, with specifiers replaced; None after a mistake.

        A specifier without a value at build time is an error. So is another invalid one if `fatal`, with
        which systemd refuses the unit.
        """
        try:
            return self.specifiers.expand(text)
        except SpecifierError as error:
            if fatal or not error.unknown:
                self.report.error(setting, str(error))
            else:
                self.report.ignored(setting, str(error))
        return None

    def checked_path(self, setting: Setting, text: str) -> str:
        """Return an absolute path, simplified; empty for an invalid one, with a note."""
        try:
            return absolute(text)
        except ValueError as error:
            self.report.ignored(setting, str(error))
            return ""

    def words(self, setting: Setting, **flags: Any) -> list[str]:
        """Return the words of a setting's value; the separators and flags are those of words.first_word."""
        try:
            return words(setting.value, **flags)
        except WordError as error:
            self.report.ignored(setting, f"{setting.value}: {error}")
            return []

    def expanded_words(self, *keys: str, **flags: Any) -> Iterator[tuple[Setting, str]]:
        """Yield the words of all settings of `keys`, with specifiers replaced."""
        for each in self.all(*keys):
            for word in self.words(each, **flags):
                text = self.expanded(each, word)
                if text is not None:
                    yield each, text

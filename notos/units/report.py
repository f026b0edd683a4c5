"""The errors and notes of one translation."""

from collections.abc import Callable

from notos.errors import NotosError, raise_all
from notos.units.unit_text import Setting


class Report:
    """A collector of errors, notes, and the keys that are not enforced."""

    def __init__(self, unit: str, keys: tuple[str, ...]) -> None:
        self._unit = unit
        self._keys = keys
        self._errors: dict[str, NotosError] = {}  # by message, which is also the order
        self._notes: dict[str, None] = {}
        self._unenforced: dict[str, None] = {}

    def error(self, setting: Setting, problem: str, hint: str = "") -> None:
        """Add an error at a setting; `problem` follows the place and the key."""
        keys = (*self._keys, "set", setting.key) if not setting.line else self._keys
        self.add(NotosError(f"{setting.place}: {setting.key}= {problem}", hint=hint, keys=keys))

    def unit_error(self, problem: str, hint: str = "") -> None:
        """Add an error of the unit as a whole."""
        self.add(NotosError(f"{self._unit}: {problem}", hint=hint, keys=self._keys))

    def add(self, error: NotosError) -> None:
        """Add an error."""
        self._errors.setdefault(error.message, error)

    def ignored(self, setting: Setting, problem: str) -> None:
        """Add an invalid value, which systemd ignores: a note, or an error if the user wrote the setting."""
        if setting.own:
            self.error(setting, problem)
        else:
            self.note(f"{setting.place}: {setting.key}= {problem}; it is ignored, as systemd does")

    def note(self, text: str) -> None:
        """Add a note."""
        self._notes.setdefault(text)

    def unenforced(self, key: str) -> None:
        """Add a key that has no effect in the machine although systemd would enforce it."""
        self._unenforced.setdefault(key)

    def checked(self, setting: Setting, parse: Callable[[str], object], text: str) -> bool:
        """Return True if `parse` accepts `text`, a part of a setting's value; otherwise note it."""
        try:
            parse(text)
        except ValueError as error:
            self.ignored(setting, f"{text}: {error}")
            return False
        return True

    @property
    def failed(self) -> bool:
        """Return True if there is an error."""
        return bool(self._errors)

    def raise_errors(self) -> None:
        """Raise the errors, joined, if any were added."""
        raise_all(self._errors.values())

    def notes(self) -> tuple[str, ...]:
        """Return the notes; one of them lists the keys that are not enforced."""
        listed = ", ".join(self._unenforced)
        return (*self._notes, *((f"{self._unit}: not enforced: {listed}",) if listed else ()))

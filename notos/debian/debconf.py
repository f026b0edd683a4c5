"""The questions of a package and the answers that debconf gives them at a new installation, without a person.

An answer is the question's default. Of a question with choices it is the first one if the default is none of
them, as the noninteractive frontend has it (debconf-devel(7)).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from notos.debian.command_words import Value


@dataclass
class _Question:
    """A question: its type, its choices with ${…}, its answer, its flags, and the values for ${…}."""

    kind: str = ""
    choices: Value = ""
    answer: Value = ""
    flags: dict[str, Value] = field(default_factory=dict)
    fills: dict[str, Value] = field(default_factory=dict)

    @property
    def filled(self) -> Value:
        """Return the choices with values in place of ${…}, None if one is unknown."""
        text = self.choices
        for name, value in self.fills.items():
            if text is not None and f"${{{name}}}" in text:
                text = None if value is None else text.replace(f"${{{name}}}", value)
        return text


class Questions:
    """The questions of the file "templates" of a package; other packages have those in `shared` too."""

    def __init__(self, package: str, templates: bytes, shared: frozenset[str] = frozenset()) -> None:
        self._package = package
        self._shared = shared
        self._by_name: dict[str, _Question] = {}
        question = _Question()
        for line in templates.decode(errors="replace").splitlines():
            key, colon, value = line.partition(":")
            if not colon or line.startswith((" ", "\t")):
                continue
            if key == "Template":
                question = self._by_name.setdefault(value.strip(), _Question())
            elif key == "Default":
                question.answer = value.strip()
            elif key == "Type":
                question.kind = value.strip()
            elif key == "Choices":
                question.choices = value.strip()

    def has(self, name: str) -> bool:
        """Return True for a question of the package."""
        return name in self._by_name

    def call(self, words: tuple[Value, ...], *, certain: bool) -> Mapping[str, Value]:
        """Do the work of a debconf command, and return the variables that it sets.

        A command that is not `certain` leaves two possible answers: an unknown one.
        """
        match words:
            case ("db_get", name):
                found = self._by_name.get(name or "")
                return {"RET": found.answer if found else "" if name == "" else None}
            case ("db_fget", name, flag):
                found = self._by_name.get(name or "")
                return {"RET": found.flags.get(flag, "false") if found and flag else None}
            case ("db_metaget", str() as name, str() as part):
                return {"RET": self._part(name, part)}
            case ("db_set", str() as name, value):
                found = self._of(name)
                found.answer = value if certain or found.answer == value else None
            case ("db_fset", str() as name, str() as flag, value):
                found = self._of(name)
                known = found.flags.get(flag, "false")
                found.flags[flag] = value if certain or known == value else None
            case ("db_subst", str() as name, str() as key, value):
                self._of(name).fills[key] = value if certain else None
            case ("db_input", _, str() as name) if name in self._by_name:
                self._ask(self._by_name[name], certain=certain)
            case (str() as name, *_) if name.startswith("db_"):
                return {"RET": None}
        return {}

    def _of(self, name: str) -> _Question:
        return self._by_name.setdefault(name, _Question())

    def _part(self, name: str, part: str) -> Value:
        """Return a field of a question: its owners, or its choices."""
        found = self._by_name.get(name)
        if found is None or name in self._shared:
            return None
        return {"owners": self._package, "choices": found.filled, "type": found.kind}.get(part)

    def _ask(self, question: _Question, *, certain: bool) -> None:
        """Give a question with choices one of them as its answer."""
        if question.kind != "select" or question.answer is None:
            return
        text = question.filled
        if text is None or "${" in text or "\\" in text:
            question.answer = None if text is None and not question.answer else question.answer
            return
        choices = [each.strip() for each in text.split(",")] if text else []
        if question.answer not in choices:
            first = choices[0] if choices else ""
            question.answer = first if certain else None

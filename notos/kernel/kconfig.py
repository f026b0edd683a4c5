"""What is asked of a kernel's configuration, what came out of it, and why the two differ.

Fragments are files of `CONFIG_X=y` and `# CONFIG_X is not set`, as the kernel's own. Kconfig itself
(conf, in the kernel's source) decides; it drops or changes without a word what cannot be, so what was asked
for is compared afterwards. Source: Documentation/kbuild/kconfig-language.rst of the kernel.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notos.architecture import Architecture
from notos.errors import KernelError

Config = Mapping[str, str]
"""y, m or a value as it is written (a text in its quotes), by symbol without CONFIG_; n is left out."""

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_VALUE = re.compile(r'[ymn]|-?[0-9]+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*"')
_LEVELS = {"n": 0, "m": 1, "y": 2}
_MOST_SHOWN = 12
_NO_REASON = "Kconfig does not say why"


@dataclass(frozen=True)
class Asked:
    """A symbol that is to have a value ("n" for none); `where` is a file and line.

    Of what a machine needs, `why` says for what, and `where` what turns it off.
    """

    symbol: str
    value: str
    where: str
    why: str = ""

    def __str__(self) -> str:
        """The line that asks for it in a configuration."""
        return (
            f"# CONFIG_{self.symbol} is not set"
            if self.value == "n"
            else f"CONFIG_{self.symbol}={self.value}"
        )


def symbols(text: str) -> dict[str, str]:
    """The configuration in a .config."""
    return {
        match[1]: match[2] for match in map(_SET.fullmatch, text.splitlines()) if match and match[2] != "n"
    }


def fragment(text: str, name: str) -> list[Asked]:
    """What the fragment called `name` asks for. Raises KernelError with every line that asks for nothing."""
    asked, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()  # noqa: PLW2901
        where = f"{name}:{number}"
        if match := _SET.fullmatch(line):
            value = match[2].strip()
            if _VALUE.fullmatch(value):
                asked.append(Asked(match[1], value, where))
            else:
                problems.append(
                    f'{where}: CONFIG_{match[1]} cannot be {value or "nothing"}; y, m, n, a number or "text"'
                )
        elif match := _UNSET.fullmatch(line):
            asked.append(Asked(match[1], "n", where))
        elif line and not line.startswith("#"):
            problems.append(f"{where}: {line[:60]!r} is no line of a configuration{_advice(line)}")
    if problems:
        raise KernelError("\n".join(problems[:_MOST_SHOWN]))
    return asked


def option(symbol: str, value: str | int, where: str) -> Asked:
    """What `symbol: value` of a config asks for: text is quoted, but for y, m, n and hexadecimal numbers."""
    text = str(value)
    if isinstance(value, str) and not re.fullmatch(r"[ymn]|0[xX][0-9a-fA-F]+", value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        text = f'"{escaped}"'
    return Asked(symbol, text, where)


def _advice(line: str) -> str:
    if re.match(r"CONFIG_\w+\s+=|CONFIG_\w+=\s", line):
        return "; leave out the blanks around ="
    if match := re.match(r"(\w+)=", line):
        return f"; write CONFIG_{match[1]}=…"
    if re.match(r"CONFIG_\w+ is not set", line):
        return "; write # before it"
    return "; write CONFIG_NAME=value, or # before a remark"


def last(asked: Iterable[Asked]) -> list[Asked]:
    """Of each symbol what was asked for last."""
    return list({each.symbol: each for each in asked}.values())


def unmet(asked: Iterable[Asked], config: Config) -> list[Asked]:
    """What was asked for and is not so."""
    return [each for each in last(asked) if not _same(each.value, config.get(each.symbol, "n"))]


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return int(one, 0) == int(other, 0)
    except ValueError:
        # A text that is empty is as good as none.
        return {one, other} == {'""', "n"}


class Explainer:
    """Why a kernel's source does not let symbols be what was asked for.

    The structure is read from the source's Kconfig files, the values are those of the resolved
    configuration `config`: what Kconfig would ask the compiler for need not be asked again.
    """

    def __init__(self, source: Path, config: Config, target: Architecture) -> None:
        self._config = config
        self._kconf = _parsed(source, target)

    def __call__(self, asked: Asked) -> str:
        """In one line: what was asked, by whom, what came out, and what it lacks."""
        got = self._config.get(asked.symbol, "n")
        reasons = "; ".join(self._reasons(asked, got))
        if asked.why:
            off = f", for {asked.where} turns it off" if asked.where else ", for nothing asks for it"
            because = f": {reasons}" if reasons != _NO_REASON else off
            return f"CONFIG_{asked.symbol}={asked.value} is needed {asked.why}, and it is {got}{because}"
        return f"{asked.where}: CONFIG_{asked.symbol}={asked.value} was asked for, and it is {got}: {reasons}"

    def _reasons(self, asked: Asked, got: str) -> list[str]:
        symbol = self._kconf.syms.get(asked.symbol)
        if symbol is None or not symbol.nodes:
            return [self._unknown(asked.symbol)]
        from kconfiglib import BOOL, TRISTATE, TYPE_TO_STR

        kind = symbol.orig_type
        if kind not in (BOOL, TRISTATE):
            return self._value_reasons(symbol, asked) or [f"it is a symbol of the type {TYPE_TO_STR[kind]}"]
        if asked.value not in _LEVELS:
            return [
                f"it is a symbol of the type {TYPE_TO_STR[kind]}, which takes y, n"
                + (" or m" if kind == TRISTATE else "")
            ]
        if kind == BOOL and asked.value == "m":
            return ["it cannot be a module, only y or n"]
        wanted, has = _LEVELS[asked.value], _LEVELS.get(got, 0)
        if has > wanted:
            return self._too_much(symbol, wanted)
        return self._too_little(symbol, wanted)

    def _unknown(self, name: str) -> str:
        import difflib

        known = [each.name for each in self._kconf.unique_defined_syms]
        near = difflib.get_close_matches(name, known, 3, 0.75)
        return "this kernel has no such symbol" + (f"; did you mean {' or '.join(near)}?" if near else "")

    def _too_much(self, symbol: Any, wanted: int) -> list[str]:
        selecting = [text for text, value in self._alternatives(symbol.rev_dep) if value > wanted]
        if selecting:
            return [f"it is selected by {', '.join(selecting[:4])}"]
        if not self._prompted(symbol):
            return ["it has no prompt: its default alone decides"]
        if symbol.choice is not None:
            return ["it is the choice that is left when no other is made"]
        return [_NO_REASON]

    def _too_little(self, symbol: Any, wanted: int) -> list[str]:
        lacking = self._lacking(symbol.direct_dep, wanted)
        if lacking:
            return [f"it depends on {', '.join(lacking)}"]
        if not self._prompted(symbol):
            by = [text for text, _ in self._alternatives(symbol.rev_dep)]
            return [
                "it has no prompt: "
                + (f"{' or '.join(by[:4])} would select it" if by else "its default decides")
            ]
        prompts = [node.prompt[1] for node in symbol.nodes if node.prompt]
        shortest = min((self._lacking(each, wanted) for each in prompts), key=len)
        if shortest:
            return [f"its prompt is there only with {', '.join(shortest)}"]
        if symbol.choice is not None:
            chosen = [each.name for each in symbol.choice.syms if self._config.get(each.name) == "y"]
            return [f"one of a choice, of which {' and '.join(chosen) or 'none'} is made"]
        return [_NO_REASON]

    def _value_reasons(self, symbol: Any, asked: Asked) -> list[str]:
        if asked.value in ("y", "m"):
            return []
        for low, high, condition in symbol.ranges:
            if self._value(condition):
                return [f"it is a number from {self._text(low)} to {self._text(high)}"]
        if lacking := self._lacking(symbol.direct_dep, 2):
            return [f"it depends on {', '.join(lacking)}"]
        return ["it has no prompt: its default decides"] if not self._prompted(symbol) else []

    @staticmethod
    def _prompted(symbol: Any) -> bool:
        return any(node.prompt for node in symbol.nodes)

    def _alternatives(self, expression: Any) -> Iterator[tuple[str, int]]:
        """The branches of an OR, in words, with the value of each."""
        from kconfiglib import AND, OR, expr_str

        if isinstance(expression, tuple) and expression[0] == OR:
            yield from self._alternatives(expression[1])
            yield from self._alternatives(expression[2])
        elif expression is not self._kconf.n:
            head = expression[1] if isinstance(expression, tuple) and expression[0] == AND else expression
            yield expr_str(head), self._value(expression)

    def _lacking(self, expression: Any, wanted: int) -> list[str]:
        """The parts of `expression` that keep it below `wanted`, in words with their values."""
        from kconfiglib import AND, OR, expr_str

        if self._value(expression) >= wanted:
            return []
        if isinstance(expression, tuple) and expression[0] == AND:
            return self._lacking(expression[1], wanted) + self._lacking(expression[2], wanted)
        if isinstance(expression, tuple) and expression[0] == OR:
            return [f"({expr_str(expression)}), none of which is set"]
        if isinstance(expression, tuple):
            return [expr_str(expression)]
        return [f"{expr_str(expression)}, which is {'nmy'[self._value(expression)]}"]

    def _value(self, expression: Any) -> int:
        """The value of an expression: 0, 1 or 2."""
        from kconfiglib import AND, NOT, OR, Choice

        if not isinstance(expression, tuple):
            if isinstance(expression, Choice):
                return 2
            return _LEVELS.get(self._text(expression), 0)
        operator, *parts = expression
        if operator == AND:
            return min(map(self._value, parts))
        if operator == OR:
            return max(map(self._value, parts))
        if operator == NOT:
            return 2 - self._value(parts[0])
        return 2 * _compared(operator, self._text(parts[0]), self._text(parts[1]))

    def _text(self, symbol: Any) -> str:
        """A symbol's value without quotes; a constant is its own."""
        if symbol.is_constant:
            return str(symbol.name)
        if symbol.name in self._kconf.syms and symbol.nodes:
            return self._config.get(symbol.name, "n").strip('"')
        return str(symbol.name)


def _compared(operator: int, left: str, right: str) -> bool:
    from kconfiglib import EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, UNEQUAL

    if operator in (EQUAL, UNEQUAL):
        return (left == right) == bool(operator == EQUAL)
    try:
        a, b = int(left, 0), int(right, 0)
    except ValueError:
        a, b = 0, 0
    return {LESS: a < b, LESS_EQUAL: a <= b, GREATER: a > b, GREATER_EQUAL: a >= b}[operator]


def _parsed(source: Path, target: Architecture) -> Any:
    """The Kconfig files below `source`. Raises KernelError when they cannot be read."""
    import kconfiglib

    class Kconfig(kconfiglib.Kconfig):  # type: ignore[misc]  # it has no types
        """One that knows what Kconfig has learned since: `modules` and `transitional` (5.13, 6.18)."""

        def _open(self, name: str, mode: str) -> Any:
            import io

            with super()._open(name, mode) as stream:
                text = stream.read()
            return io.StringIO(re.sub(r"^\s+(?:modules|transitional)\s*$", "", text, flags=re.MULTILINE))

    with _environment(source, target):
        try:
            return Kconfig("Kconfig", warn=False)
        except (kconfiglib.KconfigError, OSError, ValueError, RecursionError) as error:
            raise KernelError(f"the Kconfig files of {source} cannot be read: {error}") from error


@contextmanager
def _environment(source: Path, target: Architecture) -> Iterator[None]:
    """What Kconfig files take from the environment; no program of this host is asked anything."""
    kept = dict(os.environ)
    os.environ.update(
        {
            **{"srctree": str(source), "KERNELVERSION": "0"},
            **{"ARCH": target.kernel_arch, "SRCARCH": target.kernel_folder},
            **{"CC": "false", "LD": "false", "HOSTCC": "false", "RUSTC": "false", "PAHOLE": "false"},
            **{"NM": "false", "OBJCOPY": "false", "AR": "false", "BINDGEN": "false", "RUSTC_BOOTSTRAP": ""},
            "KCONFIG_FUNCTIONS": __name__,
        }
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _says_no(_kconf: Any, _name: str, _command: str) -> str:
    return "n"


def _says_nothing(_kconf: Any, _name: str, *_words: str) -> str:
    return ""


# What kconfiglib takes in place of its own (its documentation, KCONFIG_FUNCTIONS).
functions = {
    "shell": (_says_no, 1, 1),
    "info": (_says_nothing, 1, 1),
    "warning-if": (_says_nothing, 2, 2),
    "error-if": (_says_nothing, 2, 2),
}


def explained(
    problems: Sequence[Asked], source: Path, config: Config, target: Architecture, *, hint: str
) -> KernelError:
    """The error that tells all `problems`, a line each."""
    explain = Explainer(source, config, target)
    lines = [explain(each) for each in problems[:_MOST_SHOWN]]
    if len(problems) > _MOST_SHOWN:
        lines.append(f"… and {len(problems) - _MOST_SHOWN} more")
    return KernelError("\n".join(lines), hint=hint)


def changes(before: str, after: str, had: Config, has: Config) -> list[str]:
    """The lines of a fragment that makes the minimal configuration `after` of `before` (savedefconfig).

    `had` and `has` are the whole ones: a minimal one does not say what came to its default, nor what is
    selected now and was asked for before.
    """
    old = {each.symbol: each.value for each in fragment(before, "before")}
    new = {each.symbol: each.value for each in fragment(after, "after")}
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [str(Asked(name, has.get(name, "n"), "")) for name in names if had.get(name) != has.get(name)]


def replaced(text: str, lines: Iterable[str]) -> str:
    """The fragment `text` with `lines` added, and without what it had on the same symbols."""
    new = {each.symbol for each in fragment("\n".join(lines), "")}
    kept = []
    for line in text.splitlines():
        match = _SET.fullmatch(line.strip()) or _UNSET.fullmatch(line.strip())
        if match is None or match[1] not in new:
            kept.append(line)
    return "".join(f"{line}\n" for line in [*kept, *lines])

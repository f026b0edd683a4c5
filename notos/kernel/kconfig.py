"""Kernel configurations: requested symbols, the resolved configuration, and why the two differ.

Fragments are files of `CONFIG_X=y` and `# CONFIG_X is not set`, like the kernel's own. Kconfig (conf, in the
kernel's source) resolves them; it silently drops or changes symbols whose dependencies are not met, so the
result is compared with the requests. Source: Documentation/kbuild/kconfig-language.rst of the kernel.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notos import errors
from notos.architecture import Architecture
from notos.errors import KernelError

Config = Mapping[str, str]
"""Values by symbol (without CONFIG_): y, m or the value as written (text in quotes); n is left out."""

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_VALUE = re.compile(r'[ymn]|-?[0-9]+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*"')
_LEVELS = {"n": 0, "m": 1, "y": 2}
_MOST_SHOWN = 12
_NO_REASON = "Kconfig does not say why"


@dataclass(frozen=True)
class Request:
    """A symbol with its requested value ("n" for unset); `where` is the file and line of the request.

    For a symbol that the machine needs, `why` is the reason, and `where` the request that turns it off.
    `keys` is the path of the config key that causes the request; empty for a line of a fragment.
    """

    symbol: str
    value: str
    where: str
    why: str = ""
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the request as a line of a configuration."""
        return (
            f"# CONFIG_{self.symbol} is not set"
            if self.value == "n"
            else f"CONFIG_{self.symbol}={self.value}"
        )


def symbols(text: str) -> dict[str, str]:
    """Return the configuration in the text of a .config."""
    return {
        match[1]: match[2] for match in map(_SET.fullmatch, text.splitlines()) if match and match[2] != "n"
    }


def fragment(text: str, name: str) -> list[Request]:
    """Return the requests in the fragment `text`, which errors call `name`.

    Raises KernelError with every invalid line.
    """
    requests, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()  # noqa: PLW2901
        where = f"{name}:{number}"
        if match := _SET.fullmatch(line):
            value = match[2].strip()
            if _VALUE.fullmatch(value):
                requests.append(Request(match[1], value, where))
            else:
                problems.append(
                    f'{where}: CONFIG_{match[1]} cannot be {value or "empty"}: y, m, n, a number or "text"'
                )
        elif match := _UNSET.fullmatch(line):
            requests.append(Request(match[1], "n", where))
        elif line and not line.startswith("#"):
            problems.append(f"{where}: {line[:60]!r} is not a line of a configuration{_advice(line)}")
    errors.raise_all(map(KernelError, _first(problems)))
    return requests


def _first(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and the number of the others."""
    more = len(lines) - _MOST_SHOWN
    return [*lines[:_MOST_SHOWN], *([f"… and {more} more"] if more > 0 else [])]


def option(symbol: str, value: str | int, where: str, keys: tuple[str, ...] = ()) -> Request:
    """Return the request of `symbol: value` in a config; text is quoted, but not y, m, n and 0x numbers."""
    text = str(value)
    if isinstance(value, str) and not re.fullmatch(r"[ymn]|0[xX][0-9a-fA-F]+", value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        text = f'"{escaped}"'
    return Request(symbol, text, where, keys=keys)


def _advice(line: str) -> str:
    if re.match(r"CONFIG_\w+\s+=|CONFIG_\w+=\s", line):
        return "; remove the spaces around ="
    if match := re.match(r"(\w+)=", line):
        return f"; write CONFIG_{match[1]}=…"
    if re.match(r"CONFIG_\w+ is not set", line):
        return "; write # before it"
    return "; write CONFIG_NAME=value, or # before a comment"


def last(requests: Iterable[Request]) -> list[Request]:
    """Return the last request for each symbol."""
    return list({each.symbol: each for each in requests}.values())


def unmet(requests: Iterable[Request], config: Config) -> list[Request]:
    """Return the requests that `config` does not meet."""
    return [each for each in last(requests) if not _same(each.value, config.get(each.symbol, "n"))]


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return int(one, 0) == int(other, 0)
    except ValueError:
        # An empty text equals an unset one.
        return {one, other} == {'""', "n"}


class Explainer:
    """Explanations of unmet requests, from a kernel's Kconfig files.

    The files give the structure, the resolved configuration `config` gives the values, so that the compiler
    checks of Kconfig need not run again.
    """

    def __init__(self, source: Path, config: Config, target: Architecture) -> None:
        self._config = config
        self._kconf = _parsed(source, target)

    def __call__(self, request: Request) -> str:
        """Return one line: the request with its place, the resolved value, and the unmet conditions."""
        got = self._config.get(request.symbol, "n")
        reasons = "; ".join(self._reasons(request, got))
        if request.why:
            off = f": {request.where} turns it off" if request.where else ": nothing turns it on"
            because = f": {reasons}" if reasons != _NO_REASON else off
            return (
                f"CONFIG_{request.symbol}={request.value} is needed {request.why}, but it is {got}{because}"
            )
        requested = f"CONFIG_{request.symbol}={request.value} was requested"
        return f"{request.where}: {requested}, but it is {got}: {reasons}"

    def _reasons(self, request: Request, got: str) -> list[str]:
        symbol = self._kconf.syms.get(request.symbol)
        if symbol is None or not symbol.nodes:
            return [self._unknown(request.symbol)]
        from kconfiglib import BOOL, TRISTATE, TYPE_TO_STR

        kind = symbol.orig_type
        if kind not in (BOOL, TRISTATE):
            return self._value_reasons(symbol, request) or [f"it is a symbol of type {TYPE_TO_STR[kind]}"]
        if request.value not in _LEVELS:
            return [
                f"it is a symbol of type {TYPE_TO_STR[kind]}, which takes y, n"
                + (" or m" if kind == TRISTATE else "")
            ]
        if kind == BOOL and request.value == "m":
            return ["it cannot be a module, only y or n"]
        wanted, has = _LEVELS[request.value], _LEVELS.get(got, 0)
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
            return ["it has no prompt: its value is its default"]
        if symbol.choice is not None:
            return ["it is the default of a choice of which no other member is set"]
        return [_NO_REASON]

    def _too_little(self, symbol: Any, wanted: int) -> list[str]:
        lacking = self._lacking(symbol.direct_dep, wanted)
        if lacking:
            return [f"it depends on {', '.join(lacking)}"]
        if not self._prompted(symbol):
            by = [text for text, _ in self._alternatives(symbol.rev_dep)]
            return [
                "it has no prompt: "
                + (f"{' or '.join(by[:4])} would select it" if by else "its value is its default")
            ]
        prompts = [node.prompt[1] for node in symbol.nodes if node.prompt]
        shortest = min((self._lacking(each, wanted) for each in prompts), key=len)
        if shortest:
            return [f"its prompt depends on {', '.join(shortest)}"]
        if symbol.choice is not None:
            chosen = [each.name for each in symbol.choice.syms if self._config.get(each.name) == "y"]
            return [f"it is a member of a choice of which {' and '.join(chosen) or 'none'} is set"]
        return [_NO_REASON]

    def _value_reasons(self, symbol: Any, request: Request) -> list[str]:
        if request.value in ("y", "m"):
            return []
        for low, high, condition in symbol.ranges:
            if self._value(condition):
                return [f"it is a number from {self._text(low)} to {self._text(high)}"]
        if lacking := self._lacking(symbol.direct_dep, 2):
            return [f"it depends on {', '.join(lacking)}"]
        return ["it has no prompt: its value is its default"] if not self._prompted(symbol) else []

    @staticmethod
    def _prompted(symbol: Any) -> bool:
        return any(node.prompt for node in symbol.nodes)

    def _alternatives(self, expression: Any) -> Iterator[tuple[str, int]]:
        """Yield the branches of an OR as text, each with its value."""
        from kconfiglib import AND, OR, expr_str

        if isinstance(expression, tuple) and expression[0] == OR:
            yield from self._alternatives(expression[1])
            yield from self._alternatives(expression[2])
        elif expression is not self._kconf.n:
            head = expression[1] if isinstance(expression, tuple) and expression[0] == AND else expression
            yield expr_str(head), self._value(expression)

    def _lacking(self, expression: Any, wanted: int) -> list[str]:
        """Return the parts of `expression` that keep it below `wanted`, as text with their values."""
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
        """Return the value of an expression: 0, 1 or 2 (n, m or y)."""
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
        """Return a symbol's value without quotes; the value of a constant is its name."""
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
    """Parse the Kconfig files below `source`. Raises KernelError if they cannot be read."""
    import kconfiglib

    class Kconfig(kconfiglib.Kconfig):  # type: ignore[misc]  # it has no types
        """A parser that skips keywords newer than kconfiglib: `modules` and `transitional` (5.13, 6.18)."""

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
    """Set the variables that Kconfig files read, such that no program of this host runs."""
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


def _no(_kconf: Any, _name: str, _command: str) -> str:
    return "n"


def _empty(_kconf: Any, _name: str, *_words: str) -> str:
    return ""


# Functions that override kconfiglib's own (KCONFIG_FUNCTIONS in its documentation).
functions = {
    "shell": (_no, 1, 1),
    "info": (_empty, 1, 1),
    "warning-if": (_empty, 2, 2),
    "error-if": (_empty, 2, 2),
}


def explained(
    problems: Sequence[Request], source: Path, config: Config, target: Architecture, *, hint: str
) -> KernelError:
    """Return the error that explains `problems`, each as a part with its keys; the last part has `hint`."""
    explain = Explainer(source, config, target)
    found = [
        KernelError(explain(each).removeprefix(f"{each.where}: " if each.keys else ""), keys=each.keys)
        for each in problems[:_MOST_SHOWN]
    ]
    if len(problems) > _MOST_SHOWN:
        found.append(KernelError(f"… and {len(problems) - _MOST_SHOWN} more"))
    found[-1].hint = hint
    return found[0] if len(found) == 1 else KernelError.joined(found)


def changes(before: str, after: str, had: Config, has: Config) -> list[str]:
    """Return the lines of a fragment that turns the configuration `before` into `after`.

    Both are minimal (savedefconfig): they omit symbols at their default and selected symbols. `had` and `has`
    are the full configurations.
    """
    old = {each.symbol: each.value for each in fragment(before, "before")}
    new = {each.symbol: each.value for each in fragment(after, "after")}
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [str(Request(name, has.get(name, "n"), "")) for name in names if had.get(name) != has.get(name)]


def replaced(text: str, lines: Iterable[str]) -> str:
    """Return the fragment `text` with `lines` in place of its lines for the same symbols."""
    new = {each.symbol for each in fragment("\n".join(lines), "")}
    kept = []
    for line in text.splitlines():
        match = _SET.fullmatch(line.strip()) or _UNSET.fullmatch(line.strip())
        if match is None or match[1] not in new:
            kept.append(line)
    return "".join(f"{line}\n" for line in [*kept, *lines])

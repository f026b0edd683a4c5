"""Explanations of YAML syntax errors, shown at the likely mistake and not where parsing stopped."""

import re
from typing import Any

from notos.config.yaml_source import Place, Problem, Source, shorten
from notos.pyyaml import yaml

_CLOSERS = {"[": "]", "{": "}"}
_NOT_YAML = "this is not YAML: "


def problem(
    source: Source, error: yaml.MarkedYAMLError, quoted: Place | None, bracket: Place | None
) -> Problem:
    """Return the likely mistake in `source`, whose parsing stopped with `error`.

    `quoted` is the opening quote of the last text before that, if it has quotes; `bracket` is the last
    unclosed [ or {.
    """
    mark: Any = error.problem_mark or error.context_mark
    stop = Place(source, mark.line, mark.column) if mark else Place(source, 0, 0)
    line = source.line(stop.line)
    if "\t" in line[: len(line) - len(line.lstrip())]:
        tab = line.index("\t")
        return Problem("a tab cannot indent YAML; use spaces", Place(source, stop.line, tab))
    opened: Any = error.context_mark
    start = Place(source, opened.line, opened.column) if opened else stop
    context, cause = error.context or "", error.problem or ""
    if "quoted" in context and ("end of stream" in cause or "document" in cause):
        message, place = _unclosed_quote(start, stop), start
    elif quoted and quoted.line <= stop.line and _follows_quote(quoted, stop):
        message, place = _early_quote(quoted, stop)
    elif bracket and "node content" in cause and _is_end(stop):
        message, place = _unclosed_bracket(bracket, stop)
    elif "flow sequence" in context or "flow mapping" in context:
        message, place = _unclosed_bracket(start, stop)
    elif "mapping values" in cause:
        message, place = _colon(stop)
    elif "sequence entries" in cause:
        message = "a list must begin on the line below its key, or be in brackets: [a, b]"
        place = stop
    elif "could not find expected" in cause:
        message, place = "this line is neither a key nor indented below one; a key ends in a colon", start
    elif "cannot start any token" in cause:
        message, place = f"a value cannot begin with {shorten(_at(stop))}; put it in quotes", stop
    elif "node content" in cause:
        message, place = (
            f"a value is missing before {_at(stop) or 'this'}, or {_at(stop) or 'this'} is extra",
            stop,
        )
    elif "escape" in cause:
        message, place = "in double quotes write \\ twice; in single quotes write it once", stop
    elif "alias" in context or "anchor" in context:
        message, place = f"a value cannot begin with {_at(start)}; put it in quotes", start
    elif "block mapping" in context or "block collection" in context:
        message = (
            f"this does not continue the block that begins on line {start.line + 1}; check the indentation"
        )
        place = stop
    else:
        since = f", {context} that starts on line {start.line + 1}" if context else ""
        message, place = f"{cause}{since}", stop
    return Problem(shorten(_NOT_YAML + message, 200), place)


def _at(place: Place) -> str:
    """Return the character at `place`; "" at the end of a line."""
    return place.source.line(place.line)[place.column : place.column + 1]


def _is_end(place: Place) -> bool:
    """Return True if nothing but blank lines and comments follows `place`."""
    rest = place.source.line(place.line)[place.column :].strip()
    number, lines = place.line + 1, place.source.text.count("\n") + 1
    return not rest and all(
        not text or text.startswith("#")
        for text in (place.source.line(each).strip() for each in range(number, lines))
    )


def _last(place: Place) -> int:
    """Return the number of the file's last line, counted from 1."""
    return len(place.source.text.rstrip().splitlines())


def _unclosed_quote(start: Place, stop: Place) -> str:
    end = f"the text runs on to line {min(stop.line + 1, _last(start))}"
    return f"the {_at(start)} that opens here has no closing {_at(start)}; {end}"


def _follows_quote(quoted: Place, stop: Place) -> bool:
    """Return True if the text whose quote opens at `quoted` ends right before `stop`."""
    before = stop.source.line(stop.line)[: stop.column].rstrip()
    return before.endswith(_at(quoted)) and bool(_at(stop)) and _at(stop) not in ",]}"


def _early_quote(quoted: Place, stop: Place) -> tuple[str, Place]:
    quote = _at(quoted)
    if quoted.line < stop.line:
        return f"the {quote} that opens here is closed on line {stop.line + 1} only; is one missing?", quoted
    twice = "''" if quote == "'" else '\\"'
    return f"the text in quotes ends before this; inside {quote}…{quote} write {twice} for {quote}", stop


def _unclosed_bracket(start: Place, stop: Place) -> tuple[str, Place]:
    opener = _at(start)
    closer = _CLOSERS.get(opener, "]")
    if _is_end(stop):
        return f"the {opener} that opens here has no {closer}; the file ends on line {_last(start)}", start
    if _at(stop) in ("]", "}"):
        return f"the {opener} that opens here is closed by {_at(stop)} and not by {closer}", start
    if stop.line > start.line:
        where = f"before line {stop.line + 1}, or a comma is missing there"
        return f"the {opener} that opens here has no {closer} {where}", start
    return f"a comma or {closer} is missing before this", stop


def _colon(stop: Place) -> tuple[str, Place]:
    """Return the mistake behind a colon that does not end a key."""
    summary = "mapping values are not allowed in this context"
    if ": " in stop.source.line(stop.line)[: stop.column]:
        return f"{summary}; put a text with a colon and a space in quotes", stop
    above = next((each for each in range(stop.line - 1, -1, -1) if stop.source.line(each).strip()), None)
    if above is not None:
        line = stop.source.line(above)
        start = len(line) - len(line.lstrip())
        if not re.search(r":(?: |$)", line):
            advice = "write a space after the colon" if ":" in line else "a key ends in a colon"
            return f"this line has no key; {advice}", Place(stop.source, above, start, len(line) - start)
    return f"{summary}; the line above has a value already, or this one is indented too far", stop

"""Filters of text that maintainer scripts call: grep, sed, awk, sort, uniq, head, tail, cut and others.

A filter reads the text that is piped into it, or known files. The output of other options is unknown.
Regular expressions are those of POSIX and GNU (regex(7)), as expressions of Python.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from notos.debian.command_words import Value, short_options
from notos.debian.script_files import Files

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_BRACKET = re.compile(r"\[(\^?)(\]?(?:\[:\w+:\]|\[[.=]|[^]])*)\]")
_SED = re.compile(
    r"[\s;]*(?:(?P<line>[0-9]+|\$)|/(?P<pattern>(?:[^/\\]|\\.)*)/)?\s*(?P<not>!?)\s*(?P<name>[pdqs])"
)
_SED_FLAGS = re.compile(r"[gpI0-9]*(?=\s*(?:[;\n}]|$))")


@dataclass(frozen=True)
class Outcome:
    """The exit status of a command, and its output; None for an unknown output."""

    status: int
    output: Value = ""


def run(words: Sequence[Value], given: Value, files: Files) -> Outcome | None:
    """Return the outcome of a filter with the input `given`; None for other commands, and if it is unknown.

    sed -i changes `files`.
    """
    name = (words[0] or "").rpartition("/")[2]
    known = [word for word in words if word is not None]
    if name not in _FILTERS or len(known) < len(words):
        return None
    try:
        return _FILTERS[name](known, given, files)
    except (ValueError, re.error):  # not understood
        return None


def regex(text: str, *, extended: bool = False, fold: bool = False) -> re.Pattern[str]:
    """Return a regular expression of POSIX, basic or `extended`, for Python. Raises ValueError, re.error."""
    found = ""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "[":
            bracket = _BRACKET.match(text, at)
            if not bracket:
                raise ValueError(text)
            found += _bracket(bracket[1], bracket[2])
            at = bracket.end()
            continue
        if char == "\\":
            escaped = text[at + 1 : at + 2]
            at += 2
            if escaped in "(){}+?|" and escaped:
                found += f"\\{escaped}" if extended else escaped
            elif escaped in "<>":
                found += r"\b"
            elif escaped.isalnum() and escaped not in "123456789wWsSbBnt":
                raise ValueError(text)
            else:
                found += f"\\{escaped}"
            continue
        starts = not found or found.endswith(("(", "|"))
        if not extended and (
            char in "(){}+?|"
            or (char == "*" and starts)
            or (char == "^" and not starts)
            or (char == "$" and at + 1 < len(text) and not text.startswith(("\\)", "\\|"), at + 1))
        ):
            found += f"\\{char}"
        else:
            found += char
        at += 1
    return re.compile(found, re.IGNORECASE if fold else 0)


def _bracket(negation: str, inside: str) -> str:
    """Return a bracket expression. Raises ValueError."""
    text = ""
    for part in re.findall(r"\[:\w+:\]|.", inside, re.DOTALL):
        text += (
            _CLASSES.get(part[2:-2], part) if len(part) > 1 else f"\\{part}" if part in "\\[]^&~|" else part
        )
    if "[." in inside or "[=" in inside or "[:" in text:
        raise ValueError(inside)
    return f"[{negation}{text}]"


def _lines(paths: Sequence[str], given: Value, files: Files) -> list[str]:
    """Return the lines of files, by default of the input. Raises ValueError for an unknown text."""
    found: list[str] = []
    for path in paths or ["-"]:
        text = given if path == "-" else files.text(path)
        if text is None:
            raise ValueError(path)
        if text:
            found += text.removesuffix("\n").split("\n")
    return found


def _shown(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _grep(words: Sequence[str], given: Value, files: Files) -> Outcome:
    names = {
        "--quiet": "-q",
        "--silent": "-q",
        "--extended-regexp": "-E",
        "--fixed-strings": "-F",
        "--invert-match": "-v",
        "--ignore-case": "-i",
        "--no-messages": "-s",
        "--line-regexp": "-x",
        "--word-regexp": "-w",
        "--regexp": "-e",
        "--count": "-c",
        "--only-matching": "-o",
    }
    patterns: list[str] = []
    rest: list[str] = []
    flags: set[str] = set()
    pending = iter(words[1:])
    for word in pending:
        given_options, arguments = short_options(["grep", word], "", names)
        if word in ("-e", "--regexp"):
            patterns.append(next(pending))
        elif word == "--":
            rest += pending
        elif given_options:
            flags |= {each[1:] for each in given_options}
        else:
            rest += [each for each in arguments if each is not None]
    if flags - set("qEFvisxwhco") or len(flags) != len({each[:1] for each in flags}):
        raise ValueError(words)
    name = words[0].rpartition("/")[2]
    if not patterns:
        patterns = rest[:1]
        del rest[:1]
    if not patterns or any(path.endswith("/") for path in rest):
        raise ValueError(words)
    if [path for path in rest if files.look(path).kind == ""] == rest != []:
        return Outcome(2)
    extended = name == "egrep" or "E" in flags
    found: list[re.Pattern[str]] = []
    for pattern in "\n".join(patterns).split("\n"):
        one = (
            re.compile(re.escape(pattern))
            if name == "fgrep" or "F" in flags
            else regex(pattern, extended=extended)
        )
        text = rf"\b(?:{one.pattern})\b" if "w" in flags else one.pattern
        found.append(
            re.compile(rf"(?:{text})\Z" if "x" in flags else text, re.IGNORECASE if "i" in flags else 0)
        )
    matching: list[str] = []
    for line in _lines(rest, given, files):
        matches = [each.match(line) if "x" in flags else each.search(line) for each in found]
        if any(matches) != ("v" in flags):
            matching.append(line)
    status = 0 if matching else 1
    if "o" in flags:
        if len(found) > 1 or flags & {"v", "c"}:
            raise ValueError(words)
        matching = [each[0] for line in matching for each in found[0].finditer(line) if each[0]]
    output = "" if "q" in flags else f"{len(matching)}\n" if "c" in flags else _shown(matching)
    return Outcome(status, output if len(rest) < 2 or "h" in flags or "q" in flags else None)


@dataclass(frozen=True)
class _Edit:
    """A command of sed.

    Its address is a line's number (0 for the last one) or a pattern. Only s has the last three.
    """

    name: str
    line: int | None
    pattern: re.Pattern[str] | None
    negated: bool
    replaced: re.Pattern[str] | None = None
    by: str = ""
    flags: str = ""


def _edits(script: str, *, extended: bool) -> list[_Edit]:
    """Return the commands of a script for sed. Raises ValueError."""
    found: list[_Edit] = []
    at = 0
    while script[at:].strip(" \t\n;"):
        match = _SED.match(script, at)
        if not match:
            raise ValueError(script)
        at = match.end()
        line = None if match["line"] is None else 0 if match["line"] == "$" else int(match["line"])
        pattern = (
            None
            if match["pattern"] is None
            else regex(match["pattern"].replace("\\/", "/"), extended=extended)
        )
        replaced, by, flags = None, "", ""
        if match["name"] == "s":
            mark = script[at]
            parts = re.compile(rf"((?:[^{re.escape(mark)}\\]|\\.)*){re.escape(mark)}", re.DOTALL)
            first = parts.match(script, at + 1)
            second = first and parts.match(script, first.end())
            options = second and _SED_FLAGS.match(script, second.end())
            if not first or not second or not options:
                raise ValueError(script)
            flags, at = options[0], options.end()
            plain = first[1] if mark in "()|+?{}" else first[1].replace(f"\\{mark}", mark)
            replaced = regex(plain, extended=extended, fold="I" in flags)
            by = second[1].replace(f"\\{mark}", mark)
            if re.search(r"[0-9]", flags):
                raise ValueError(script)
        found.append(_Edit(match["name"], line, pattern, bool(match["not"]), replaced, by, flags))
    return found


def _replacement(by: str) -> Callable[[re.Match[str]], str]:
    """Return the function that gives what a match becomes: & and \\1 stand for parts of it."""

    def made(match: re.Match[str]) -> str:
        text = ""
        for part in re.findall(r"\\.|&|[^\\&]+", by, re.DOTALL):
            if part == "&":
                text += match[0]
            elif part[0] == "\\" and part[1].isdigit():
                text += match[int(part[1])] or ""
            elif part[0] == "\\":
                text += {"n": "\n", "t": "\t"}.get(part[1], part[1])
            else:
                text += part
        return text

    return made


def _substituted(edit: _Edit, line: str) -> Value:
    """Return a line after the command s, None if it does not match.

    Other than in Python, no empty match follows another match at once.
    """
    made = _replacement(edit.by)
    text, end, count = "", 0, 0
    for match in edit.replaced.finditer(line) if edit.replaced else ():
        if (count and match.start() == match.end() == end) or (count and "g" not in edit.flags):
            continue
        text += line[end : match.start()] + made(match)
        end = match.end()
        count += 1
    return text + line[end:] if count else None


def _edited(lines: Sequence[str], edits: Sequence[_Edit], *, silent: bool) -> list[str]:
    found: list[str] = []
    for number, original in enumerate(lines, 1):
        line, shown, ends = original, not silent, False
        for edit in edits:
            selected = True
            if edit.line is not None:
                selected = number == (edit.line or len(lines))
            elif edit.pattern:
                selected = bool(edit.pattern.search(line))
            if selected == edit.negated:
                continue
            if edit.replaced:
                changed = _substituted(edit, line)
                line = line if changed is None else changed
                if changed is not None and "p" in edit.flags:
                    found.append(line)
            elif edit.name == "p":
                found.append(line)
            elif edit.name == "d":
                shown = False
                break
            else:
                ends = True
                break
        if shown:
            found.append(line)
        if ends:
            break
    return found


def _sed(words: Sequence[str], given: Value, files: Files) -> Outcome:
    scripts: list[str] = []
    rest: list[str] = []
    silent = extended = in_place = False
    pending = iter(words[1:])
    for word in pending:
        if word in ("-e", "--expression"):
            scripts.append(next(pending))
        elif word == "--in-place":
            in_place = True
        elif word in ("--quiet", "--silent"):
            silent = True
        elif word == "--regexp-extended":
            extended = True
        elif match := re.fullmatch(r"-([nEr]*)([ei]?)", word):
            silent = silent or "n" in match[1]
            extended = extended or bool(set("Er") & set(match[1]))
            in_place = in_place or match[2] == "i"
            if match[2] == "e":
                scripts.append(next(pending))
        elif word.startswith("-") and word != "-":
            raise ValueError(words)
        else:
            rest.append(word)
    if not scripts:
        scripts = rest[:1]
        del rest[:1]
    edits = _edits("\n".join(scripts), extended=extended)
    if not in_place:
        return Outcome(0, _shown(_edited(_lines(rest, given, files), edits, silent=silent)))
    contents = {path: _lines([path], None, files) for path in rest}
    if not rest or any(files.look(path).kind != "f" or not path.startswith("/") for path in rest):
        raise ValueError(words)
    for path, lines in contents.items():
        text = _shown(_edited(lines, edits, silent=silent))
        if text != _shown(lines):
            files.write(path, text.encode(errors="surrogateescape"))
    return Outcome(0)


def _sort(words: Sequence[str], given: Value, files: Files) -> Outcome:
    given_options, rest = short_options(
        words, "", {"--unique": "-u", "--reverse": "-r", "--numeric-sort": "-n"}
    )
    flags = {each[1:] for each in given_options}
    if flags - set("urnV"):
        raise ValueError(words)
    lines = _lines([each or "" for each in rest], given, files)
    by: Callable[[str], object] = str.encode
    if flags & {"n", "V"}:
        by = lambda line: ([int(each) for each in re.findall("[0-9]+", line)], line)  # noqa: E731
    lines.sort(key=by, reverse="r" in flags)  # type: ignore[arg-type]
    return Outcome(0, _shown(list(dict.fromkeys(lines)) if "u" in flags else lines))


def _uniq(words: Sequence[str], given: Value, files: Files) -> Outcome:
    if words[1:]:
        raise ValueError(words)
    lines = _lines([], given, files)
    return Outcome(
        0, _shown([line for line, before in zip(lines, [None, *lines], strict=False) if line != before])
    )


def _part(words: Sequence[str], given: Value, files: Files) -> Outcome:
    """Do the work of head and tail with a number of lines."""
    number, rest = 10, []
    pending = iter(words[1:])
    for word in pending:
        if word == "-n":
            number = int(re.sub(r"^\D", "x", next(pending)))
        elif match := re.fullmatch(r"-n?([0-9]+)|--lines=([0-9]+)", word):
            number = int(match[1] or match[2])
        elif word.startswith("-"):
            raise ValueError(words)
        else:
            rest.append(word)
    lines = _lines(rest, given, files)
    is_head = words[0].endswith("head")
    return Outcome(0, _shown(lines[:number] if is_head else lines[max(len(lines) - number, 0) :]))


def _cut(words: Sequence[str], given: Value, files: Files) -> Outcome:
    found, rest = short_options(words, "dfc", {"--delimiter": "-d", "--fields": "-f", "--characters": "-c"})
    wanted = found.get("-f") or found.get("-c") or ""
    bounds = [re.fullmatch(r"([0-9]+)?(-)?([0-9]+)?", each) for each in wanted.split(",")]
    if not wanted or found.keys() - {"-d", "-f", "-c"} or not all(bounds):
        raise ValueError(words)
    mark = found.get("-d") or "\t"
    lines = []
    for line in _lines([each or "" for each in rest], given, files):
        pieces = line.split(mark) if "-f" in found else list(line)
        kept = [
            piece
            for number, piece in enumerate(pieces, 1)
            if any(
                each
                and int(each[1] or 1)
                <= number
                <= (int(each[3] or len(pieces)) if each[2] else int(each[1] or 0))
                for each in bounds
            )
        ]
        is_whole = "-f" in found and mark not in line
        lines.append(line if is_whole else (mark if "-f" in found else "").join(kept))
    return Outcome(0, _shown(lines))


def _tr(words: Sequence[str], given: Value, files: Files) -> Outcome:
    if given is None:
        raise ValueError(words)
    if len(words) == 3 and words[1] == "-d":
        removed = _characters(words[2])
        return Outcome(0, "".join(each for each in given if each not in removed))
    if len(words) != 3 or words[1].startswith("-"):
        raise ValueError(words)
    one, other = _characters(words[1]), _characters(words[2])
    if not other:
        raise ValueError(words)
    return Outcome(
        0, given.translate(dict(zip(map(ord, one), other.ljust(len(one), other[-1]), strict=False)))
    )


def _characters(text: str) -> str:
    """Return the characters of an array of tr(1). Raises ValueError."""
    ranges = {"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9", "[:space:]": " \t\n\r\v\f"}
    text = ranges.get(text, text).replace("\\n", "\n").replace("\\t", "\t")
    if "[:" in text or "\\" in text:
        raise ValueError(text)
    between = re.compile(r"(.)-(.)", re.DOTALL)
    return between.sub(lambda match: "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1))), text)


def _wc(words: Sequence[str], given: Value, files: Files) -> Outcome:
    if list(words[1:]) != ["-l"]:
        raise ValueError(words)
    return Outcome(0, f"{len(_lines([], given, files))}\n")


def _ls(words: Sequence[str], given: Value, files: Files) -> Outcome:
    found, rest = short_options(words, "", {})
    if found.keys() - {"-1", "-d", "-L"}:
        raise ValueError(words)
    shown: list[str] = []
    status = 0
    for path in sorted(each or "" for each in rest):
        node = files.look(path, follow="-d" not in found)
        names = [path]
        if node.kind == "d" and "-d" not in found:
            if len(rest) > 1:
                raise ValueError(words)
            below = files.glob(f"{path}/*")
            if below is None:
                raise ValueError(words)
            names = [each.rpartition("/")[2] for each in below]
        elif node.kind == "?":
            raise ValueError(words)
        elif node.kind == "":
            status, names = 2, []
        shown += names
    if not rest:
        raise ValueError(words)
    return Outcome(status, _shown(shown))


def _expr(words: Sequence[str], given: Value, files: Files) -> Outcome:
    match words[1:]:
        case [one, "+" | "-" as sign, other]:
            result = int(one) + (int(other) if sign == "+" else -int(other))
            return Outcome(0 if result else 1, f"{result}\n")
        case [one, ":", pattern]:
            found = regex(pattern).match(one)
            group = (found[1] or "") if found and found.re.groups else str(len(found[0]) if found else 0)
            return Outcome(0 if group not in ("", "0") else 1, f"{group}\n")
    raise ValueError(words)


def _awk(words: Sequence[str], given: Value, files: Files) -> Outcome:
    """Print one field of each line: awk '{ print $1 }', with -F for the mark between fields (awk(1))."""
    found, rest = short_options(words, "F", {"--field-separator": "-F"})
    program, *paths = [each or "" for each in rest]
    match = re.fullmatch(r"\s*\{\s*print\s+\$(NF|[0-9]+)\s*;?\s*\}\s*", program)
    mark = found.get("-F")
    if not match or found.keys() - {"-F"} or (mark is not None and not re.fullmatch(r"[:,;=/@]", mark)):
        raise ValueError(words)
    shown = []
    for line in _lines(paths, given, files):
        fields = line.split(mark) if line else []
        number = len(fields) if match[1] == "NF" else int(match[1])
        shown.append(line if number == 0 else fields[number - 1] if number <= len(fields) else "")
    return Outcome(0, _shown(shown))


_FILTERS: dict[str, Callable[[Sequence[str], Value, Files], Outcome]] = {
    **dict.fromkeys(("grep", "egrep", "fgrep"), _grep),
    **dict.fromkeys(("awk", "gawk", "mawk"), _awk),
    "cut": _cut,
    "expr": _expr,
    "head": _part,
    "ls": _ls,
    "sed": _sed,
    "sort": _sort,
    "tail": _part,
    "tr": _tr,
    "uniq": _uniq,
    "wc": _wc,
}

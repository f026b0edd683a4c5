"""A plan as a shell fragment.

Each command is a fork, which is slow under emulation: the folders of adjacent lines are created together, and
one command sets a mode or owner for all of them. Nothing in a line can become code: it is in quotes, and
only wildcards of patterns are outside.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from notos.system.conf_words import LATE
from notos.system.tmpfiles.line import FOLDERS, UNSUPPORTED, Line
from notos.system.tmpfiles.plan import Plan

_LATE = {  # values of the booted machine; each is read once
    "H": "read -r tmpfiles_H </proc/sys/kernel/hostname",
    "l": "read -r tmpfiles_l </proc/sys/kernel/hostname && tmpfiles_l=${tmpfiles_l%%.*}",
    "q": "read -r tmpfiles_q </proc/sys/kernel/hostname",
    "v": "read -r tmpfiles_v </proc/sys/kernel/osrelease",
    "m": '{ read -r tmpfiles_m <"$root/etc/machine-id"; } 2>/dev/null || tmpfiles_m=',
    "b": "tmpfiles_b=$(tr -d - </proc/sys/kernel/random/boot_id)",
}
_TYPES = {"f": "-f", "F": "-f", "L": "-L", "p": "-p", "c": "-c", "b": "-b", "C": "-"}
_WILD = re.compile(r"[*?\[]")
_FUNCTION = re.compile(r"^(\w+)\(\) \{\n(?:.*\n)*?\}\n", re.MULTILINE)


@dataclass(frozen=True)
class Accounts:
    """The numbers of users and groups by name; None leaves names to the booted machine."""

    users: Mapping[str, str]
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Owned:
    """A line with its mode and owner as arguments of the functions."""

    line: Line
    mode: str
    user: str
    group: str

    @property
    def is_plain(self) -> bool:
        """Return True for a folder that can be created together with others."""
        line = self.line
        conditional = line.masked or line.mode_if_new or line.user_if_new or line.group_if_new
        late = LATE in line.path or ":" in line.path
        return line.kind in FOLDERS and "=" not in line.modifiers and not conditional and not late

    @property
    def owner(self) -> str:
        """Return the argument of chown(1), "" without one."""
        user, group = self.user.replace("-", ""), self.group.replace("-", "")
        return f"{user}:{group}" if group else user


def fragment(boot: Plan, switch: Plan, accounts: Accounts | None, is_writable: Callable[[Line], bool]) -> str:
    """Return the fragment that applies the plan `boot` if "$boot" is set, and otherwise creates `switch`.

    Lines for which `is_writable` is False are left out.
    """

    def kept(lines: Iterable[Line]) -> list[Owned]:
        return [
            _owned(line, accounts)
            for line in lines
            if line.kind not in UNSUPPORTED and "^" not in line.modifiers and is_writable(line)
        ]

    removed = [text for owned in kept(boot.removed()) for text in _removal(owned.line)]
    first, again = (list(_creation(kept(plan.created()))) for plan in (boot, switch))
    if first == again:
        body = [*_only_at_boot(removed, []), *first]
    else:
        body = _only_at_boot([*removed, *first], again)
    kept_function = _kept(boot) if any("tmpfilesEmpty" in each or "All" in each for each in removed) else []
    code = "".join(f"\t{line}\n" for line in body)
    late = [f"\t{_LATE[each]}\n" for each in sorted(set(re.findall(r"\$\{?tmpfiles_(\w)", code)))]
    if not body:
        return ""
    functions = _needed(code + "".join(kept_function))
    setup = "\tumask 022\n\ttmpfilesNew= tmpfilesOwner=\n"
    return (
        f"{functions}{''.join(kept_function)}tmpfiles() {{\n{setup}{''.join(late)}{code}}}\ntmpfiles || :\n"
    )


def _only_at_boot(at_boot: list[str], otherwise: list[str]) -> list[str]:
    if not at_boot and not otherwise:
        return []
    other = ["else", *(f"\t{each}" for each in otherwise)] if otherwise else []
    return ['if [ -n "${boot-}" ]; then', *(f"\t{each}" for each in at_boot or [":"]), *other, "fi"]


def _needed(code: str) -> str:
    """Return the functions that `code` uses, with those that they use."""
    text = (Path(__file__).parent / "functions.sh").read_text()
    functions = {found[1]: found[0] for found in _FUNCTION.finditer(text)}
    needed: set[str] = set()
    todo = [code]
    while todo:
        for name in set(re.findall(r"\btmpfiles[A-Z]\w*", todo.pop())) & functions.keys() - needed:
            needed.add(name)
            todo.append(functions[name])
    without_comments = {name: re.sub(r"^\t*#.*\n", "", functions[name], flags=re.M) for name in functions}
    return "".join(without_comments[name] for name in functions if name in needed)


def _owned(line: Line, accounts: Accounts | None) -> Owned:
    def number(name: str | None, new: bool, known: Mapping[str, str] | None) -> str:
        if name is None or (new and line.is_glob):
            return "-"
        found = "0" if name == "root" else (known or {}).get(name, name)
        return f":{found}" if new else found

    mode = "-"
    if line.mode is not None and not (line.mode_if_new and line.is_glob):
        mode = f"{':' * line.mode_if_new}{'~' * line.masked}{line.mode:o}"
    return Owned(
        line,
        mode,
        number(line.user, line.user_if_new, accounts.users if accounts else None),
        number(line.group, line.group_if_new, accounts.groups if accounts else None),
    )


def _creation(lines: list[Owned]) -> Iterator[str]:
    """Yield the commands that create `lines`, in order, except that folders come before links beside them."""
    batch: list[Owned] = []
    links: list[Owned] = []

    def done() -> Iterator[str]:
        yield from _folders(batch)
        for each in links:
            yield from _single(each)
        batch.clear()
        links.clear()

    for owned in lines:
        if owned.line.kind == "L":
            links.append(owned)
        elif owned.is_plain and _fits(owned, batch) and not _is_below(owned, links):
            batch.append(owned)
        else:
            yield from done()
            if owned.is_plain:
                batch.append(owned)
            else:
                yield from _single(owned)
    yield from done()


def _is_below(owned: Owned, links: list[Owned]) -> bool:
    return any(f"{owned.line.path}/".startswith(f"{each.line.path}/") for each in links)


def _fits(owned: Owned, batch: list[Owned]) -> bool:
    """Return True if the folder may be created together with `batch`.

    The owner of a folder decides whether what lies deeper than its own entries may be touched, so these
    wait until it is set.
    """
    path = owned.line.path
    above = path.rpartition("/")[0]
    users = {each.line.path: each.user for each in batch}
    if path in users:
        return False
    return all(
        user in ("-", "0")
        or above == folder
        or not above.startswith(f"{folder}/")
        or users.get(above) == user
        for folder, user in users.items()
    )


def _folders(batch: list[Owned]) -> Iterator[str]:
    if not batch:
        return
    yield f"tmpfilesDirs {' '.join(_quoted(each.line.path) for each in batch)}"
    for command, values in (
        ("chown", {each.line.path: each.owner for each in batch if each.owner}),
        ("chmod", {each.line.path: each.mode for each in batch if each.mode != "-"}),
    ):
        for value in sorted(set(values.values())):
            paths = " ".join(_quoted(path) for path in values if values[path] == value)
            yield f"tmpfilesSet {command} {shlex.quote(value)} {paths}"


def _single(owned: Owned) -> Iterator[str]:
    line = owned.line
    if line.kind in "xXrR":
        return
    call = _call(owned)
    if call is None:
        return
    commands = [call]
    if "=" in line.modifiers and not line.is_glob:
        kind = "-d" if line.kind in FOLDERS else _TYPES[line.kind]
        commands = [f"tmpfilesReplace {_quoted(line.path)} {kind} && {call}"]
    if line.kind == "L" and "?" in line.modifiers:
        target = f'"$root"{_quoted("/" + (line.argument or "").lstrip("/"))}'
        exists = f"if [ -e {target} ] || [ -L {target} ]; then"
        commands = [
            exists,
            *(f"\t{each}" for each in commands),
            "else",
            f"\ttmpfilesParents {_quoted(line.path)}",
            "fi",
        ]
    if line.kind == "C" and "=" in line.modifiers:
        source = f'"$root"{_quoted(line.argument or "")}'
        exists = f"if [ -e {source} ] || [ -L {source} ]; then"
        commands = [exists, *(f"\t{each}" for each in commands), "fi"]
    yield from _guarded(line, commands)


def _guarded(line: Line, commands: list[str]) -> list[str]:
    if not line.needs_machine_id:
        return commands
    return ['if [ -n "$tmpfiles_m" ]; then', *(f"\t{each}" for each in commands), "fi"]


def _call(owned: Owned) -> str | None:
    """Return the command for a line; None if the line has no effect."""
    line = owned.line
    rights = f"{shlex.quote(owned.mode)} {shlex.quote(owned.user)} {shlex.quote(owned.group)}"
    extra = "1" if "+" in line.modifiers else "''"
    path = _quoted(line.path)
    match line.kind:
        case "f" | "F":
            force = "1" if line.kind == "F" else extra
            return f"tmpfilesFile {path} {rights} {_printed(line)} {force}"
        case "L":
            return f"tmpfilesLink {path} {rights} {_quoted(line.argument or '')} {extra}"
        case "C":
            return f"tmpfilesCopy {path} {rights} {_quoted(line.argument or '')} {extra}"
        case "p":
            return f"tmpfilesNode {path} {rights} p '' '' {extra}"
        case "c" | "b":
            major, _, minor = (line.argument or "").partition(":")
            return f"tmpfilesNode {path} {rights} {line.kind} {int(major)} {int(minor)} {extra}"
        case "w":
            return _for_each(line, f'tmpfilesWrite "$each" {rights} {_printed(line)} {extra}')
        case "e" | "z" | "m" | "Z" if rights == "- - -":
            return None
        case "e":
            return _for_each(line, f'tmpfilesExisting "$each" {rights}')
        case "z" | "m":
            return _for_each(line, f'tmpfilesAdjust "$each" {rights}')
        case "Z":
            return _for_each(line, f'tmpfilesAdjustAll "$each" {rights}')
        case _:
            return f"tmpfilesDir {path} {rights}"


def _for_each(line: Line, command: str) -> str:
    """Return a loop over the files that match the line's path: "$each" without "$root"."""
    loops = []
    for pattern in _braces(line.path):
        # glob(7) as in systemd: no "." and "..", and a folder that is listed is no link.
        checks = ["case $each/ in */./* | */../*) continue ;; esac"] if "/." in pattern else []
        parts = pattern.split("/")
        for at, part in enumerate(parts):
            if _WILD.search(part):
                above = "/*" * (len(parts) - at)
                checks.append(f'[ ! -L "${{each%{above}}}" ] || continue')
        checks += ['[ -e "$each" ] || [ -L "$each" ] || continue', 'each=${each#"$root"}']
        loops.append(f'for each in "$root"{_pattern(pattern)}; do {"; ".join(checks)}; {command}; done')
    return "; ".join(loops)


def _removal(line: Line) -> list[str]:
    match line.kind:
        case "D":
            commands = [f"tmpfilesEmpty {_quoted(line.path)}"]
        case "r":
            commands = [_for_each(line, 'tmpfilesRemove "$each"')]
        case _:
            commands = [_for_each(line, 'tmpfilesRemoveAll "$each"')]
    return _guarded(line, commands)


def _kept(plan: Plan) -> list[str]:
    """Return the function tmpfilesKept: success if another line is for the path $1."""
    exact = [f"{_quoted(path)}) return ;;" for path in sorted(plan.paths)]
    matched = [f'tmpfilesMatches {_quoted(path)} "$1" && return' for path in sorted(plan.patterns)]
    case = ["case $1 in", *exact, "esac"] if exact else []
    return ["tmpfilesKept() {\n", *(f"\t{each}\n" for each in (*case, *matched, "return 1")), "}\n"]


def _quoted(text: str) -> str:
    """Return `text` as one word; values of the booted machine are expanded."""
    plain, *late = text.split(LATE)
    words = [shlex.quote(plain)] if plain or not late else []
    for part in late:
        words.append(f'"${{tmpfiles_{part[0]}}}"')
        if part[1:]:
            words.append(shlex.quote(part[1:]))
    return "".join(words)


def _printed(line: Line) -> str:
    """Return the text of a file as one word for printf %b."""
    if line.data is not None:
        text = line.data.replace(b"\\", b"\\\\").replace(b"\0", b"\\0000").decode("utf-8", "surrogateescape")
        return shlex.quote(text)
    return _quoted((line.argument or "").replace("\\", "\\\\"))


def _pattern(pattern: str) -> str:
    """Return a glob(7) pattern as a word: wildcards are bare, all else is in quotes."""
    out, plain, at = [], "", 0

    def flush() -> None:
        nonlocal plain
        if plain:
            out.append(_quoted(plain))
        plain = ""

    while at < len(pattern):
        char = pattern[at]
        bracket = _bracket(pattern, at) if char == "[" else ""
        if char in "*?":
            flush()
            out.append(char)
        elif bracket:
            flush()
            negated = bracket[1] in "!^"
            body = bracket[1 + negated : -1]
            out.append("[" + "!" * negated + re.sub(r"[^A-Za-z0-9-]", lambda each: _one(each[0]), body) + "]")
            at += len(bracket) - 1
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            plain += pattern[at]
        else:
            plain += char
        at += 1
    flush()
    return "".join(out)


def _one(char: str) -> str:
    return "\\" + char if char.isascii() and char != "\n" else shlex.quote(char)


def _bracket(pattern: str, at: int) -> str:
    """Return the bracket expression at `at`; "" if it is not closed or contains a slash."""
    start = at + 1 + (pattern[at + 1 : at + 2] in ("!", "^"))
    end = pattern.find("]", start + 1)
    text = pattern[at : end + 1] if end > 0 else ""
    return "" if "/" in text or LATE in text else text


def _braces(pattern: str) -> list[str]:
    """Return the alternatives of a pattern with {a,b}, as in glob(3) with GLOB_BRACE."""
    start = -1
    depth, commas = 0, []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif char == "{" and pattern[at : at + 2] != "{}":
            depth += 1
            if depth == 1:
                start, commas = at, [at]
        elif char == "," and depth == 1:
            commas.append(at)
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                ends = [*commas[1:], at]
                middle = [pattern[low + 1 : high] for low, high in zip(commas, ends, strict=True)]
                return [
                    each for part in middle for each in _braces(pattern[:start] + part + pattern[at + 1 :])
                ]
        at += 1
    return [pattern]

"""The commands on files that a maintainer script calls: their effects, their results, and their output.

Read are cp, mv, install, mkdir, touch, ln, rm, chmod, chown, chgrp, mktemp, ucf, and echo, printf, cat,
basename and dirname. Each has the effect of the program on script_files.Files.
"""

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from notos.debian import modes
from notos.debian.command_words import Value, options, short_options
from notos.debian.script_files import ABSENT, Files, Node

_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r", "a": "\a"}
# The options of ucf(1) with a value.
_UCF_VALUES = (
    *("--state-dir", "--src-dir", "--dest-dir", "--sum-file", "--debconf-template", "--package"),
    *("-s", "-P"),
)
_DEEP = 10
# Commands whose work is that of integration/permissions.py: most files that they change are of packages.
ON_MODES = ("chmod", "chown", "chgrp")


def perform(words: Sequence[Value], files: Files) -> bool | None:
    """Do the command's work on `files`. Return its result; None if it is not one of these or not understood.

    A path that it may change in an unknown way becomes unknown.
    """
    name = (words[0] or "").rpartition("/")[2]
    command = _COMMANDS.get(name)
    if command is None:
        return None
    result = command(words, files)
    if result is None and name in ("cp", "mv", "install", "ln", "ucf") and words[-1]:
        files.change(words[-1], Node("?"))
    return result


def _places(words: Sequence[Value], given: Sequence[Value], files: Files) -> list[tuple[str, str]] | None:
    """Return pairs of source and destination; the last of `given` is a file or a folder."""
    if len(given) < 2 or None in given or "-t" in words:
        return None
    *sources, last = [each or "" for each in given]
    if not last.startswith("/"):
        return None
    kind = files.look(last).kind
    if kind == "d" or last.endswith("/"):
        return [(source, posixpath.join(last, posixpath.basename(source.rstrip("/")))) for source in sources]
    return [(sources[0], last)] if len(sources) == 1 and kind != "?" else None


def _copy(words: Sequence[Value], files: Files) -> bool | None:
    given, rest = options(tuple(words), ("-t", "--target-directory", "-S", "--suffix"))
    flags = _flags(given)
    pairs = _places(words, rest, files)
    if pairs is None:
        return None
    for source, target in pairs:
        if ("n" in flags or "--no-clobber" in given) and files.look(target).kind not in ("", "?"):
            continue
        recursive = bool(set("rRad") & flags)
        done = _copied(source, target, files, recursive=recursive, keep=keeps_modes(words))
        if done is not True:
            return done
    return True


def _copied(
    source: str, target: str, files: Files, *, recursive: bool, keep: bool = False, depth: int = 0
) -> bool | None:
    """Copy a file, or a folder if `recursive`; with `keep`, modes and owners too."""
    node = files.look(source, follow=not recursive)
    if node.kind in ("", "?"):
        return False if node.kind == "" else None
    if node.kind == "d":
        below = files.glob(f"{source}/*") if recursive and depth < _DEEP else None
        if below is None:
            return None
        if files.look(target).kind != "d" or keep:
            files.change(target, _like(node, files, keep=keep))
        places = [(each, posixpath.join(target, posixpath.basename(each))) for each in below]
        done = [
            _copied(each, place, files, recursive=True, keep=keep, depth=depth + 1) for each, place in places
        ]
        return None if None in done else all(done)
    if node.kind == "f" and node.content is None:
        return None
    present = files.look(target)
    if node.kind == "f" and present.kind == "f" and not keep:
        files.change(target, replace(present, content=node.content))
    else:
        files.change(target, _like(node, files, keep=keep))
    return True


def _like(node: Node, files: Files, *, keep: bool) -> Node:
    """Return `node` as a new copy has it."""
    return node if keep else replace(node, mode=node.bits & 0o777 & ~files.umask, owner="", group="")


def keeps_modes(words: Sequence[Value]) -> bool:
    """Return True for a call of cp that copies modes and owners."""
    given, _ = short_options(words, "tS", {"--archive": "-a"})
    kept = given.get("--preserve")
    return bool({"-p", "-a"} & given.keys()) or kept == "" or "mode" in (kept or "") or kept == "all"


def _move(words: Sequence[Value], files: Files) -> bool | None:
    _, rest = options(tuple(words), ())
    pairs = _places(words, rest, files)
    if pairs is None:
        return None
    for source, target in pairs:
        node = files.look(source, follow=False)
        if node.kind == "":
            return False
        if not files.made_here(source) or node.kind not in ("f", "l"):
            return None
        files.remove(source)
        files.change(target, node)
    return True


def _install(words: Sequence[Value], files: Files) -> bool | None:
    wanted = modes.install(words)
    if wanted is None:
        return None
    owned = Node("f", None, wanted.mode, wanted.owner, wanted.group)
    if wanted.folders:
        if not all(path.startswith("/") for path in wanted.arguments):
            return None
        for path in wanted.arguments:
            files.change(path, replace(owned, kind="d"))
        return True
    pairs = _places(words, wanted.arguments, files)
    if pairs is None:
        return None
    for source, target in pairs:
        node = Node("f", b"") if source == "/dev/null" else files.look(source)
        if node.kind == "":
            return False
        if node.kind != "f" or node.content is None:
            return None
        files.change(target, replace(owned, content=node.content))
    return True


def _mkdir(words: Sequence[Value], files: Files) -> bool | None:
    paths, mode, parents = modes.folder_mode(words, files.umask)
    if not parents and "d" in [files.look(each).kind for each in paths]:
        return False
    if mode is None:
        return None
    for path in paths:
        if path is None or not path.startswith("/"):
            return None
        if files.look(path).kind != "d":
            files.change(path, Node("d", mode=mode))
    return True


def _touch(words: Sequence[Value], files: Files) -> bool | None:
    _, rest = options(tuple(words), ("-r", "-d", "-t", "--reference", "--date"))
    for path in rest:
        if path is None or not path.startswith("/"):
            return None
        if files.look(path).kind in ("", "?"):
            files.change(path, files.new("f", b"" if files.look(path).kind == "" else None))
    return True


def _link(words: Sequence[Value], files: Files) -> bool | None:
    given, rest = options(tuple(words), ("-t", "-S"))
    flags = _flags(given)
    symbolic, force = "s" in flags or "--symbolic" in given, "f" in flags or "--force" in given
    if (
        symbolic
        and "n" in flags
        and len(rest) == 2
        and rest[1]
        and files.look(rest[1], follow=False).kind == "l"
    ):
        pairs: list[tuple[str, str]] | None = [(rest[0] or "", rest[1])] if rest[0] else None
    else:
        pairs = _places(words, rest, files)
    if pairs is None or "r" in flags or "--relative" in given:
        return None
    for source, target in pairs:
        present = files.look(target, follow=False).kind
        if present in ("f", "l", "d") and not force:
            return False
        if symbolic:
            files.change(target, Node("l", target=source))
        elif (done := _copied(source, target, files, recursive=False, keep=True)) is not True:
            return done
    return True


def _remove(words: Sequence[Value], files: Files) -> bool | None:
    _, rest = options(tuple(words), ())
    for path in rest:
        if path is None:
            return None
        for each in files.glob(path) or [path]:
            if each.startswith("/") and files.look(each, follow=False) != ABSENT:
                files.remove(each)
    return True


def _adjust(words: Sequence[Value], files: Files) -> bool | None:
    wanted = modes.change(words)
    if wanted is None:
        return None
    for path in wanted.paths:
        files.adjust(path, wanted)
    return True


def _ucf(words: Sequence[Value], files: Files) -> bool | None:
    """Register a default of a configuration file (ucf(1)): on a new system, it is copied with its mode."""
    given, rest = options(tuple(words), _UCF_VALUES)
    if "--purge" in given or "-p" in given:
        return True
    if len(rest) != 2 or not rest[0] or not rest[1]:
        return None
    present = files.look(rest[1]).kind
    if present == "f":
        return True
    return None if present != "" else _copied(rest[0], rest[1], files, recursive=False, keep=True)


_COMMANDS: dict[str, Callable[[Sequence[Value], Files], bool | None]] = {
    **dict.fromkeys(ON_MODES, _adjust),
    "cp": _copy,
    "install": _install,
    "ln": _link,
    "mkdir": _mkdir,
    "mv": _move,
    "rm": _remove,
    "rmdir": _remove,
    "touch": _touch,
    "ucf": _ucf,
    "ucfr": lambda words, files: True,
}


def _flags(given: dict[str, Value]) -> set[str]:
    return {letter for key in given if not key.startswith("--") for letter in key[1:]}


# --- output


def printed(words: Sequence[Value], given: Value, files: Files) -> Value:
    """Return the output of a command with the input `given`; None if it is unknown."""
    name = (words[0] or "").rpartition("/")[2]
    if name in _COMMANDS:
        return ""
    known = [word for word in words[1:] if word is not None]
    if len(known) < len(words) - 1:
        return None
    match name:
        case "echo":
            return _echo(known)
        case "printf":
            return _printf(known)
        case "cat":
            texts = [given if path == "-" else files.text(path) for path in known or ["-"]]
            return None if None in texts else "".join(each or "" for each in texts)
        case "basename" if len(known) in (1, 2):
            tail = known[0].rstrip("/").rpartition("/")[2]
            return (tail.removesuffix(known[1]) if len(known) == 2 and tail != known[1] else tail) + "\n"
        case "dirname" if len(known) == 1:
            head, slash, _ = known[0].rstrip("/").rpartition("/")
            return f"{head or ('/' if slash else '.')}\n"
        case "mktemp" | "tempfile":
            return files.scratch(folder="-d" in known) + "\n"
        case "readlink" if len(known) == 1:
            node = files.look(known[0], follow=False)
            return None if node.kind == "?" else f"{node.target}\n" if node.kind == "l" else ""
    return None


def _echo(words: list[str]) -> Value:
    end = "\n"
    if words[:1] == ["-n"]:
        words, end = words[1:], ""
    if (words[:1] and re.fullmatch("-[neE]+", words[0])) or any("\\" in word for word in words):
        return None  # sh and bash differ
    return " ".join(words) + end


def _printf(words: list[str]) -> Value:
    """Return the output of printf(1) with plain %s, %d, %% and escapes."""
    if not words or re.search(r"%(?![sd%])|\\(?![nt\\ra])", words[0]) or words[0].startswith("-"):
        return None
    pieces = re.findall(r"%[sd%]|\\.|[^%\\]+", words[0])
    arguments = list(words[1:])
    text = ""
    while True:
        for piece in pieces:
            if piece in ("%s", "%d"):
                text += arguments.pop(0) if arguments else "" if piece == "%s" else "0"
            else:
                text += "%" if piece == "%%" else _ESCAPES[piece[1]] if piece[0] == "\\" else piece
        if not arguments or not {"%s", "%d"} & set(pieces):
            return text

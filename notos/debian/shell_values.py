"""Values of a shell script: patterns, and test(1)."""

import fnmatch
import re
from collections.abc import Callable, Mapping

from notos.debian.command_words import Value
from notos.debian.script_files import Files


def is_glob(text: str) -> bool:
    """Return True if a shell would look for files that match `text`."""
    return bool(re.search(r"[*?]|\[.+\]", text))


def trimmed(value: str, operation: str, pattern: str) -> str:
    """Return `value` without the shortest or longest prefix (#, ##) or suffix (%, %%) that matches."""
    lengths = range(len(value) + 1)
    for length in lengths if len(operation) == 1 else reversed(lengths):
        if operation.startswith("#") and fnmatch.fnmatchcase(value[:length], pattern):
            return value[length:]
        if operation.startswith("%") and fnmatch.fnmatchcase(value[len(value) - length :], pattern):
            return value[: len(value) - length]
    return value


def test_result(words: list[Value], files: Files) -> bool | None:
    """Return the result of test(1); None for unknown values and files, and for other tests of the system."""
    for word, either in (("-o", True), ("-a", False)):
        if word in words[1:-1] and not (len(words) == 3 and words[0] == "!"):
            at = words.index(word, 1)
            results = (test_result(words[:at], files), test_result(words[at + 1 :], files))
            if either in results:
                return either
            return None if None in results else not either
    if len(words) > 1 and words[0] == "!":
        result = test_result(words[1:], files)
        return None if result is None else not result
    if not words:
        return False
    if len(words) == 1:
        return None if words[0] is None else words[0] != ""
    if len(words) == 2:
        operator, value = words
        if operator in ("-n", "-z"):
            return None if value is None else (value == "") == (operator == "-z")
        if operator == "-t":
            return False  # nobody sees an installation
        return _file_test(operator or "", value, files)
    if len(words) == 3:
        left, middle, right = words
        if left is None or middle is None or right is None:
            return None
        if middle in ("=", "=="):
            return left == right
        if middle == "!=":
            return left != right
        if middle in _NUMBERS and left.isdigit() and right.isdigit():
            return _NUMBERS[middle](int(left), int(right))
    return None


def _file_test(operator: str, path: Value, files: Files) -> bool | None:
    """Return the result of a test of a file; None if it is unknown."""
    if operator not in ("-e", "-f", "-d", "-L", "-h", "-r", "-w", "-x", "-s", "-p", "-S", "-b", "-c"):
        return None
    if path == "":
        return False
    node = files.look(path, follow=operator not in ("-L", "-h"))
    if node.kind in ("", "?"):
        return False if node.kind == "" else None
    match operator:
        case "-L" | "-h":
            return node.kind == "l"
        case "-d":
            return node.kind == "d"
        case "-f":
            return node.kind == "f"
        case "-s":
            return None if node.kind != "f" or node.content is None else node.content != b""
        case "-x":
            return node.kind == "d" or node.executable
        case "-e" | "-r" | "-w":
            return True  # root can read all files
    return False


_NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": lambda one, other: one == other,
    "-ne": lambda one, other: one != other,
    "-lt": lambda one, other: one < other,
    "-le": lambda one, other: one <= other,
    "-gt": lambda one, other: one > other,
    "-ge": lambda one, other: one >= other,
}

"""Functions of systemd's shared library, which a Python of the tools tree calls.

Run as a script, it reads one request a line (a name and arguments, in JSON) and answers with one line. The
path of the library is its argument. Texts are bytes as latin-1.
"""

import ctypes
import json
import sys
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_uint64, c_void_p
from typing import Any

# Flags of extract_first_word by their names here.
FLAGS = {
    **{"unescape": 2, "relax": 4, "escaped_separators": 8, "unquote": 32, "single": 64},
    "keep_backslashes": 128,
}


def library(path: str) -> dict[str, Callable[..., Any]]:
    """Return the functions by name."""
    shared = ctypes.CDLL(path)

    def words(text: str, separators: str, flags: int) -> list[str] | None:
        place = c_char_p(text.encode("latin-1"))
        found: list[str] = []
        while True:
            word = c_void_p()
            result = shared.extract_first_word(byref(place), byref(word), separators.encode(), c_uint(flags))
            if result < 0:
                return None
            if result == 0:
                return found
            found.append(ctypes.string_at(word.value or 0).decode("latin-1"))

    def number(name: str, kind: Any, *more: Any) -> Callable[[str], int | None]:
        def call(text: str) -> int | None:
            value = kind()
            result = getattr(shared, name)(text.encode("latin-1"), *more, byref(value))
            return None if result < 0 else int(value.value)

        return call

    def direct(name: str) -> Callable[[str], int | None]:
        def call(text: str) -> int | None:
            result = int(getattr(shared, name)(text.encode("latin-1")))
            return None if result < 0 else result

        return call

    def text_of(name: str) -> Callable[[str], str | None]:
        def call(text: str) -> str | None:
            value = c_char_p()
            result = getattr(shared, name)(text.encode("latin-1"), byref(value))
            return None if result < 0 or value.value is None else value.value.decode("latin-1")

        return call

    def calendar(text: str) -> str | None:
        made, value = c_void_p(), c_char_p()
        if shared.calendar_spec_from_string(text.encode("latin-1"), byref(made)) < 0:
            return None
        shared.calendar_spec_to_string(made, byref(value))
        return (value.value or b"").decode("latin-1")

    shared.extract_first_word.argtypes = [POINTER(c_char_p), POINTER(c_void_p), c_char_p, c_uint]
    shared.unit_name_is_valid.restype = ctypes.c_bool
    shared.parse_size.argtypes = [c_char_p, c_uint64, POINTER(c_uint64)]
    return {
        "words": words,
        "time": number("parse_sec", c_uint64),
        "size": number("parse_size", c_uint64, 1024),
        "mode": number("parse_mode", c_uint),
        "permyriad": direct("parse_permyriad_unbounded"),
        "signal": direct("signal_from_string"),
        "boolean": direct("parse_boolean"),
        "exit_status": direct("exit_status_from_string"),
        "unescape": text_of("unit_name_unescape"),
        "unescape_path": text_of("unit_name_path_unescape"),
        "calendar": calendar,
        "valid_name": lambda text: bool(shared.unit_name_is_valid(text.encode("latin-1"), c_int(7))),
    }


if __name__ == "__main__":
    functions = library(sys.argv[1])
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(functions[name](*arguments)), flush=True)

"""The words of a command as options and arguments."""

from collections.abc import Mapping, Sequence

Value = str | None  # None if it is unknown


def options(words: tuple[Value, ...], with_value: tuple[str, ...]) -> tuple[dict[str, Value], list[Value]]:
    """Return the options of a command by name, and its other arguments.

    The options `with_value` have a value: the next word, or what follows `=`. Others have the value "".
    """
    found: dict[str, Value] = {}
    rest: list[Value] = []
    pending = iter(words[1:])
    for word in pending:
        if word == "--":
            rest += pending
        elif word is None or not word.startswith("-") or word == "-":
            rest.append(word)
        else:
            name, equal, value = word.partition("=")
            if name in with_value:
                found[name] = value if equal else next(pending, None)
            elif word in with_value:
                found[word] = next(pending, None)
            else:
                found[name] = value
    return found, rest


def short_options(
    words: Sequence[Value], with_value: str, names: Mapping[str, str]
) -> tuple[dict[str, Value], list[Value]]:
    """Return the options of a program with getopt_long(3), and its other arguments, as options() does.

    Short options may be joined with others and with their values, as in -pm0700. `with_value` has the
    letters of those with a value, `names` the short options of long ones; other long ones keep their names.
    """
    found: dict[str, Value] = {}
    rest: list[Value] = []
    pending = iter(words[1:])
    for word in pending:
        if word == "--":
            rest += pending
        elif word is None or not word.startswith("-") or word == "-":
            rest.append(word)
        elif word.startswith("--"):
            name, equal, value = word.partition("=")
            key = names.get(name, name)
            needs = key[1:] in with_value if len(key) == 2 else False
            found[key] = next(pending, None) if needs and not equal else value
        else:
            for at, letter in enumerate(word[1:], 2):
                if letter in with_value:
                    found[f"-{letter}"] = word[at:] or next(pending, None)
                    break
                found[f"-{letter}"] = ""
    return found, rest

"""The words of a command as options and arguments."""

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

"""The order in which dpkg configures packages: each after those that it depends on."""

from collections.abc import Mapping

from notos.debian import deb822, relation
from notos.errors import LockError


def order(controls: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    """Return the names of `controls`, which are the control files of packages by name.

    Of packages that need each other, and of those without a relation, the first by name is first.
    """
    fields = {name: _fields(files) for name, files in controls.items()}
    providers: dict[str, list[str]] = {}
    for name in sorted(fields):
        for provided in (name, *_names(fields[name], "Provides")):
            providers.setdefault(provided, []).append(name)
    found: dict[str, None] = {}
    begun: set[str] = set()
    pending: list[tuple[str, bool]] = [(name, False) for name in sorted(fields, reverse=True)]
    while pending:
        name, ends = pending.pop()
        if ends:
            found[name] = None
        elif name not in begun:
            begun.add(name)
            pending.append((name, True))
            needed = {*_names(fields[name], "Pre-Depends"), *_names(fields[name], "Depends")}
            after = {each for one in needed for each in providers.get(one, ())}
            pending += [(each, False) for each in sorted(after, reverse=True)]
    return list(found)


def _fields(files: Mapping[str, bytes]) -> Mapping[str, str]:
    return deb822.stanza(files.get("control", b"").decode(errors="replace"))


def _names(fields: Mapping[str, str], field: str) -> list[str]:
    """Return all names in a field."""
    try:
        return [each.name for group in relation.parse(fields.get(field, "")) for each in group]
    except LockError:
        return []  # dpkg has accepted the package; the order of others does not depend on it

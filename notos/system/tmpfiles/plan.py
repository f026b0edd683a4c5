"""The order in which systemd-tmpfiles applies lines: `--remove` first, then `--create`.

The first of several lines for one path wins. Paths come before patterns, the line of a folder comes before
those of the paths below it.
"""

from collections.abc import Iterable, Iterator

from notos.system.tmpfiles.line import Line

_REMOVING = frozenset("DrR")


class Plan:
    """The lines that count, in the order of their files, by path."""

    def __init__(self, lines: Iterable[Line], *, boot: bool) -> None:
        """Sort `lines`; without `boot`, those with the modifier ! are left out."""
        self.paths: dict[str, list[Line]] = {}
        self.patterns: dict[str, list[Line]] = {}
        for line in lines:
            if not boot and "!" in line.modifiers:
                continue
            table = self.patterns if line.is_glob else self.paths
            known = table.setdefault(line.path, [])
            if any(each.conflicts(line) for each in known):
                continue
            known.append(line)
            known.sort(key=lambda each: (not each.is_first, each.kind))

    def created(self) -> Iterator[Line]:
        """Yield all lines in the order of creation: each after the line of the nearest folder above it."""
        done: set[tuple[bool, str]] = set()
        for is_glob, path in self._keys():
            chain = [(is_glob, path)]
            while chain[-1] not in done and (above := self._above(chain[-1][1])):
                chain.append(above)
            for key in reversed(chain):
                if key not in done:
                    done.add(key)
                    yield from self._table(key[0])[key[1]]

    def removed(self) -> list[Line]:
        """Return the lines that remove something, each after those of the paths below it."""
        children: dict[tuple[bool, str], list[tuple[bool, str]]] = {}
        for key in self._keys():
            if above := self._above(key[1]):
                children.setdefault(above, []).append(key)
        done: dict[tuple[bool, str], None] = {}

        def visit(key: tuple[bool, str]) -> None:
            if key not in done:
                for child in children.get(key, []):
                    visit(child)
                done[key] = None

        for key in self._keys():
            visit(key)
        lines = (line for is_glob, path in done for line in self._table(is_glob)[path])
        return [line for line in lines if line.kind in _REMOVING]

    def _keys(self) -> list[tuple[bool, str]]:
        return [*((False, path) for path in self.paths), *((True, path) for path in self.patterns)]

    def _table(self, is_glob: bool) -> dict[str, list[Line]]:
        return self.patterns if is_glob else self.paths

    def _above(self, path: str) -> tuple[bool, str] | None:
        """Return the key of the nearest line for a folder above `path`."""
        while path != "/":
            path = path.rpartition("/")[0] or "/"
            if path in self.paths:
                return False, path
            if path in self.patterns:
                return True, path
        return None

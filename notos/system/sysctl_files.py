"""Settings of the kernel in files of sysctl.d(5), of packages and of /etc.

The files are read when the toplevel is made. runit/boot/06-sysctl writes the settings at boot, before those
of the config's key `sysctl`. The rules are those of systemd-sysctl: files count in the order of their names,
the last value of a setting counts, and a pattern leaves out settings that have a line for themselves.
/etc/sysctl.conf comes last, as for sysctl(8).
"""

from collections.abc import Iterator, Mapping

from notos import errors
from notos.errors import NotosError
from notos.features.sysctl import path
from notos.formats.tree import Tree
from notos.system.conf_words import LineError, lines
from notos.system.etc import text, texts

Keys = tuple[str, ...]  # of the config


def table(etc: Tree, system: Tree, keys: Mapping[str, Keys]) -> str:
    """Return lines of a path below /proc/sys and a value, patterns first; "" without settings.

    After a hyphen, failures are not reported; a path without a value is left out of patterns. `etc` is the
    tree of /etc, `system` that of /usr, and `keys` are those of the config's files by path below /etc.
    Raises NotosError for wrong lines of the config's files; those of packages have no effect, as in Debian.
    """
    found: dict[str, str] = {}
    wrong: list[NotosError] = []
    for name, content in _files(etc, system):
        for number, line in lines(content):
            if line.startswith(";"):
                continue
            try:
                where, value = _setting(line)
            except LineError as error:
                if name in keys:
                    hint = "a line is NAME = VALUE, as net.ipv4.ip_forward = 1"
                    wrong.append(NotosError(f"/etc/{name}:{number}: {error}", hint=hint, keys=keys[name]))
                continue
            found.pop(where, None)
            found.pop(where.removeprefix("-"), None)
            found.pop(f"-{where}", None)
            found[where] = value
    errors.raise_all(wrong)
    patterns = {where: value for where, value in found.items() if _is_pattern(where)}
    own = {where: value for where, value in found.items() if where not in patterns}
    ordered = [(where.removeprefix("-"), "") for where in own] if patterns else []
    ordered += [*patterns.items(), *((where, value) for where, value in own.items() if value)]
    return "".join(f"{where} {value}".rstrip() + "\n" for where, value in ordered)


def _is_pattern(where: str) -> bool:
    return any(each in where for each in "*?[")


def _files(etc: Tree, system: Tree) -> Iterator[tuple[str, str]]:
    """Yield paths below /etc, with which a file of /usr shares its name, and texts."""
    found = texts(etc, system, "sysctl.d")
    for name in sorted(found):
        yield f"sysctl.d/{name}", found[name]
    if "sysctl.conf" in etc:
        yield "sysctl.conf", text(etc, "sysctl.conf") or text(system, "etc/sysctl.conf")


def _setting(line: str) -> tuple[str, str]:
    """Return the path, with its hyphen, and the value of a line; "" for one that patterns leave out."""
    name, equals, value = (part.strip() for part in line.partition("="))
    quiet = "-" if name.startswith("-") else ""
    where = path(name.removeprefix("-").strip())
    if not where or " " in where or where.startswith("/") or ".." in where.split("/"):
        raise LineError("the name of the setting is missing or wrong")
    if equals and not value:
        raise LineError(f"{name} has no value")
    if not equals and not quiet:
        raise LineError(f"{name} has no value")
    return (f"{quiet}{where}", value) if equals else (where, "")

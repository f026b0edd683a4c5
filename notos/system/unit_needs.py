"""Check for what systemd units need and the machine lacks: programs, accounts, environment files, folders.

Only certain cases are reported. A file outside of /usr, /opt and /etc may be made at boot, and so may one
that a command before the start, or a script of the config's `boot`, names.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from notos.errors import ClosureError, NotosError
from notos.features.model import Features, Keys, Unit
from notos.formats.tree import File, Symlink, Tree
from notos.formats.usr_merge import merged
from notos.system import programs, unit_plan
from notos.system.account_names import Accounts
from notos.system.etc import text
from notos.units.unit_files import UnitFiles
from notos.units.unit_text import Setting

_OPTIONAL = "-"  # the flag of a command or a file whose failure does not count


@dataclass(frozen=True)
class Parts:
    """The parts of the machine that units use.

    root    the tree of /usr (usr/…) and of the packages' /etc
    etc     the tree of /etc
    opt     the tree of /opt
    """

    root: Tree
    etc: Tree
    opt: Tree


@dataclass(frozen=True)
class _Planned:
    """A plan, and what its messages need."""

    unit: Unit
    keys: Keys
    plan: str
    settings: tuple[Setting, ...]

    def error(self, key: str, value: str, problem: str, hint: str) -> ClosureError:
        """Return an error at the line of the unit that has `key` with `value`, for the config's line."""
        own = self.unit.settings.get(key)
        found = [each for each in self.settings if each.key == key]
        near = [each for each in found if value in each.value] or found
        where = f"{self.unit.name}: {key}"
        if near:
            where = f"{near[-1].file}:{near[-1].line}: {key}"
        if own and any(value in each for each in own):
            where = f"{'.'.join(self.keys)}.set.{key}"
        return ClosureError(f"{where}: {problem}", hint=hint, keys=self.keys)


def lacking(features: Features, files: UnitFiles, runit: Tree, parts: Parts) -> Iterator[ClosureError]:
    """Yield an error for each thing that a unit of the config names and that the machine lacks.

    `runit` is the tree of the runit object, which has the plans.
    """
    made_at_boot = "\n".join(script.text for script in features.scripts)
    for unit, keys, path in unit_plan.places(features):
        plan = unit_plan.at(runit, path)
        if not plan:
            continue
        try:
            sections = files.load(unit.name).sections
        except NotosError:  # the task that makes the plan reports it
            sections = {}
        planned = _Planned(unit, keys, plan, tuple(sections.get("Service", ())))
        yield from _programs(planned, parts)
        yield from _accounts(planned, parts)
        yield from _files(planned, parts, made_at_boot)


def _programs(planned: _Planned, parts: Parts) -> Iterator[ClosureError]:
    for command in unit_plan.commands(planned.plan):
        if _OPTIONAL in command.flags:
            continue
        hint = f"add the package that has it to {'.'.join(planned.keys)}.packages"
        if not _has(command.program, parts):
            yield planned.error(
                command.key, command.program, f"no package has the program {command.program}", hint
            )
        elif interpreter := _interpreter(command.program, parts):
            problem = f"{command.program} is a script for {interpreter}, which no package has"
            yield planned.error(command.key, command.program, problem, hint)


def _accounts(planned: _Planned, parts: Parts) -> Iterator[ClosureError]:
    lines = list(unit_plan.lines(planned.plan))
    dynamic = any(each.key == "dynamicuser" for each in lines)
    accounts = Accounts(text(parts.etc, "passwd"), text(parts.etc, "group"))
    keys = {"user": "User", "group": "Group", "supplementary": "SupplementaryGroups"}
    for line in lines:
        if line.key not in keys or (dynamic and line.key != "supplementary"):
            continue
        kind = "user" if line.key == "user" else "group"
        for name in line.values:
            if accounts.lacks(kind, name):
                settings = "system: true" if kind == "user" else ""
                hint = f"add it to the config: {kind}s: {{{name}: {{{settings}}}}}"
                yield planned.error(keys[line.key], name, f"the {kind} {name} does not exist", hint)


def _files(planned: _Planned, parts: Parts, made_at_boot: str) -> Iterator[ClosureError]:
    before = (each for each in unit_plan.commands(planned.plan) if each.key == "ExecStartPre")
    words = [word for each in before for word in each.words]
    for key, values in unit_plan.lines(planned.plan):
        if key not in ("envfile", "cwd") or len(values) < 2 or _OPTIONAL in values[0]:
            continue
        path = values[1]
        if _has(path, parts) or any(path in each for each in (*words, made_at_boot)):
            continue
        if key == "envfile" and not set("*?[") & set(path):
            hint = "add it with etc or files, or make it optional: set: {EnvironmentFile: ['', -PATH]}"
            yield planned.error("EnvironmentFile", path, f"the file {path} does not exist", hint)
        elif key == "cwd" and path.startswith("/"):
            yield planned.error(
                "WorkingDirectory", path, f"the folder {path} does not exist", "add it with files"
            )


def _has(path: str, parts: Parts) -> bool:
    """Return True unless a path below /usr, /opt or /etc certainly does not exist."""
    tree, place = _place(path, parts)
    if tree is None or tree.resolve(place) is not None:
        return True
    names = place.split("/")
    entries = (tree.get("/".join(names[:length])) for length in range(1, len(names) + 1))
    # A link may lead to a place outside of the tree.
    return any(isinstance(each, Symlink) and each.target.startswith("/") for each in entries)


def _interpreter(path: str, parts: Parts) -> str:
    """Return the missing interpreter of a script; "" for other programs."""
    tree, place = _place(path, parts)
    entry = tree.get(tree.resolve(place) or "") if tree is not None else None
    if not isinstance(entry, File):
        return ""
    data = entry.read()
    return programs.missing_interpreter(data, parts.root) if data.startswith(b"#!") else ""


def _place(path: str, parts: Parts) -> tuple[Tree | None, str]:
    """Return the tree that has a path, and the path in it; no tree for other folders."""
    place = merged(path.lstrip("/"))
    top, _, below = place.partition("/")
    if top == "usr":
        return parts.root, place
    if top in ("etc", "opt"):
        return (parts.etc if top == "etc" else parts.opt), below
    return None, ""

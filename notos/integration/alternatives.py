"""Alternatives: generic names such as editor and cc as links to the best installed choice.

The links are those of update-alternatives(1): /usr/bin/cc leads to /etc/alternatives/cc, and this to the
choice with the highest priority or the one in the config's `alternatives`. Slave links follow their master.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from notos import errors
from notos.debian.command_words import Value
from notos.debian.maintainer_scripts import ScriptCall
from notos.errors import NotosError
from notos.formats.tree import Symlink, Tree
from notos.formats.usr_merge import merged
from notos.integration.model import Context

FOLDER = "etc/alternatives"
_NUMBER = re.compile(r"[+-]?[0-9]+")
_MOST = 6  # names in a message


@dataclass(frozen=True)
class Choice:
    """A file that can provide a generic name. `slaves` are links and their targets by name."""

    path: str
    priority: int
    package: str
    slaves: Mapping[str, tuple[str, str]]


@dataclass
class Group:
    """A generic name with its link and its choices by path."""

    link: str
    choices: dict[str, Choice] = field(default_factory=dict)

    def best(self) -> Choice:
        """Return the choice of the automatic mode; of equal ones the first by path."""
        return min(self.choices.values(), key=lambda each: (-each.priority, each.path))


def apply(tree: Tree, context: Context) -> None:
    """Add the links of all alternatives whose files are in `tree`.

    Raises NotosError for a name or a choice in the config that no installed package has.
    """
    groups = {name: group for name, group in _groups(context).items() if _keep_existing(group, tree)}
    chosen, wrong = _chosen(groups, context.settings.get("alternatives", {}), context.target.gnu)
    errors.raise_all(wrong)
    for name, group in sorted(groups.items()):
        choice = chosen.get(name) or group.best()
        _link(tree, group.link, name, choice.path)
        for slave, (link, target) in sorted(choice.slaves.items()):
            if _place(target) in tree:
                _link(tree, link, slave, target)


def understood(each: ScriptCall) -> bool:
    """Return True for a call of update-alternatives that is done or has no effect on a new system."""
    words = each.call.words
    if not {"--install", "--set", "--config"} & set(words):
        return True
    return _parsed(each) is not None and None not in _slaves(words)


def _groups(context: Context) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for each in context.calls("update-alternatives"):
        parsed = _parsed(each)
        if parsed is not None:
            name, link, choice = parsed
            group = groups.setdefault(name, Group(link))
            group.choices[choice.path] = choice
    return groups


def _parsed(each: ScriptCall) -> tuple[str, str, Choice] | None:
    """Return name, link and choice of `update-alternatives --install LINK NAME PATH PRIORITY …`."""
    words = each.call.words
    if "--install" not in words:
        return None
    at = words.index("--install")
    match words[at + 1 : at + 5]:
        case (str() as link, str() as name, str() as path, str() as priority) if _NUMBER.fullmatch(priority):
            pass
        case _:
            return None
    slaves = _slaves(words)
    if None in slaves and None not in words:
        return None
    known = {slave: (slave_link, target) for slave_link, slave, target in filter(None, slaves)}
    return name, link, Choice(path, int(priority), each.package, known)


def _slaves(words: tuple[Value, ...]) -> list[tuple[str, str, str] | None]:
    """Return link, name and target of each --slave; None for one with an unknown or missing word.

    Such words are those that depend on the running system.
    """
    found: list[tuple[str, str, str] | None] = []
    for start in (number for number, word in enumerate(words) if word == "--slave"):
        match words[start + 1 : start + 4]:
            case (str() as link, str() as name, str() as target):
                found.append((link, name, target))
            case _:
                found.append(None)
    return found


def _keep_existing(group: Group, tree: Tree) -> bool:
    """Remove the choices that `tree` lacks, because a config leaves out files; return True if one is left.

    A package's own file at the link's path is kept, as dpkg does: then the group has no effect.
    """
    group.choices = {path: each for path, each in group.choices.items() if _place(path) in tree}
    return bool(group.choices) and _is_free(tree, group.link)


def _is_free(tree: Tree, link: str) -> bool:
    entry = tree.get(_place(link))
    return entry is None or isinstance(entry, Symlink)


def _link(tree: Tree, link: str, name: str, target: str) -> None:
    if _is_free(tree, link):
        tree.replace(_place(link), Symlink(f"/{FOLDER}/{name}"))
        tree.replace(f"{FOLDER}/{name}", Symlink(target))


def _place(path: str) -> str:
    return merged(path.strip("/"))


def _chosen(
    groups: Mapping[str, Group], settings: Mapping[str, str], multiarch: str
) -> tuple[dict[str, Choice], list[NotosError]]:
    """Return the choices of the config by name, and an error for each name or choice that does not exist."""
    chosen: dict[str, Choice] = {}
    wrong = []
    for key, value in settings.items():
        name = key if key in groups else f"{key}-{multiarch}"  # libblas.so.3-TRIPLET
        if name not in groups:
            wrong.append(
                NotosError(
                    f"no package of the system has the alternative {key}",
                    hint=_similar(key, groups) or "add a package that has it, or remove the key",
                    keys=("alternatives", key),
                )
            )
            continue
        fitting = _fitting(value, groups[name])
        if len(fitting) == 1:
            chosen[name] = fitting[0]
            continue
        paths = sorted(groups[name].choices)
        wrong.append(
            NotosError(
                f"{value} is {'more than one choice' if fitting else 'no choice'} for {key}",
                hint=f"the choices of the system's packages are {', '.join(paths)}",
                keys=("alternatives", key),
            )
        )
    return chosen, wrong


def _fitting(value: str, group: Group) -> list[Choice]:
    """Return the choices with this path, else file name, else folder (of a library), else package."""
    choices = [group.choices[path] for path in sorted(group.choices)]
    for fits in (
        lambda each: _place(each.path) == _place(value),
        lambda each: each.path.rpartition("/")[2] == value,
        lambda each: each.path.split("/")[-2] == value,
        lambda each: each.package == value,
    ):
        if found := [each for each in choices if fits(each)]:
            return found
    return []


def _similar(name: str, groups: Iterable[str]) -> str:
    names = sorted(groups)
    if near := difflib.get_close_matches(name, names, 1):
        return f"did you mean {near[0]}?"
    shown = [each for each in names if not each.endswith(".gz")][:_MOST]
    return f"the packages have {', '.join(shown)}{', …' if len(names) > len(shown) else ''}" if shown else ""

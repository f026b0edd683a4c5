"""Programs that run with other rights than the user's: setuid, setgid, file capabilities.

A store object has no such modes. The programs that the config selects become links to copies in
/run/wrappers/bin, which the activation makes (notos.system.wrappers). So do the helpers of libraries, unless
the config lists programs: PAM cannot check a user's password without unix_chkpwd(8). The others stay plain
programs. Modes come from the packages, and from chmod, dpkg-statoverride and setcap in their maintainer
scripts.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from notos import errors
from notos.debian.command_words import options
from notos.debian.maintainer_scripts import ScriptCall
from notos.errors import NotosError
from notos.formats.tree import File, Symlink, Tree
from notos.formats.usr_merge import merged
from notos.integration import permissions
from notos.integration.model import Context

COMMANDS = ("setcap",)
FOLDER = "/run/wrappers/bin"
ORIGINALS = "usr/libexec/wrapped"  # the programs that the copies are made of
TABLE = "usr/share/notos/wrappers.json"  # a list of Wrapper

_CAPABILITIES = re.compile(r"(?:cap_[a-z_]+|all)(?:,cap_[a-z_]+)*[=+][eip]+")
_REMOVED = re.compile(r"(?:cap_[a-z_]+|all)?(?:,cap_[a-z_]+)*-[eip]+")
_SPECIAL = 0o6000  # setuid and setgid
# Programs that a library runs for users who are not root, with the name of that library.
_HELPERS = {"usr/sbin/unix_chkpwd": "pam_unix.so"}


@dataclass(frozen=True)
class Wrapper:
    """A program: its name in FOLDER, its mode in octal, its owners, its capabilities as for setcap(8)."""

    name: str
    mode: str
    owner: str
    group: str
    capabilities: str = ""


@dataclass(frozen=True)
class _Program:
    path: str
    mode: int
    owner: str
    group: str
    package: str
    capabilities: str = ""


def apply(tree: Tree, context: Context) -> None:
    """Replace the selected programs in `tree` by links to their copies, and add the table of the copies.

    Raises NotosError for a name in the config's `setuid` that no installed program has.
    """
    settings = context.settings.get("setuid", {})
    found = {each.path: each for each in _programs(tree, context)}
    if settings.get("programs") is None:
        named = settings.get("packages", ())
        selected = [each for each in found.values() if each.package in named or _is_helper(tree, each.path)]
    else:
        selected = _named(settings["programs"], found)
    wrappers: dict[str, Wrapper] = {}
    for each in sorted(selected, key=lambda each: each.path):
        name = each.path.rpartition("/")[2]
        entry = tree.get(each.path)
        if name in wrappers or not isinstance(entry, File):
            continue
        wrappers[name] = Wrapper(name, f"{each.mode:04o}", each.owner, each.group, each.capabilities)
        tree.add(f"{ORIGINALS}/{name}", entry)
        tree.replace(each.path, Symlink(f"{FOLDER}/{name}"))
    if wrappers:
        rows = [asdict(wrappers[name]) for name in sorted(wrappers)]
        tree.replace(TABLE, File((json.dumps(rows, indent=1) + "\n").encode()))


def understood(each: ScriptCall) -> bool:
    """Return True for a call of setcap that is done; on a new system there are none to remove."""
    words = each.call.words[1:2]
    removes = "-r" in words or bool(words and words[0] and _REMOVED.fullmatch(words[0]))
    return removes or _set_capabilities(each) is not None


def _programs(tree: Tree, context: Context) -> Iterator[_Program]:
    """Yield the programs in `tree` that packages or their scripts make setuid or give capabilities.

    A script gives setuid instead if no setcap is installed: so does Debian's iputils-ping.
    """
    modes = {path: each for path, each in context.attributes.items() if each.mode & _SPECIAL}
    for path, each in permissions.programs(tree, context):
        modes.pop(path, None)
        if each.mode & _SPECIAL:
            modes[path] = each
    found = {
        path: _Program(path, each.mode, each.owner, each.group, each.package)
        for path, each in modes.items()
        if path.startswith("usr/") and isinstance(tree.get(path), File)
    }
    if "usr/sbin/setcap" in tree:
        for call in context.calls(*COMMANDS):
            parsed = _set_capabilities(call)
            if parsed is None:
                continue
            capabilities, path = parsed
            if isinstance(tree.get(path), File):
                plain = _Program(path, 0o755, "root", "root", call.package)
                program = found.get(path, plain)
                found[path] = replace(program, mode=program.mode & ~_SPECIAL, capabilities=capabilities)
    yield from found.values()


def _set_capabilities(each: ScriptCall) -> tuple[str, str] | None:
    """Return the capabilities and the usr-merged path of `setcap CAPABILITIES PATH`."""
    _, rest = options(each.call.words, ())
    match rest:
        case [str() as capabilities, str() as path] if _CAPABILITIES.fullmatch(capabilities):
            return capabilities, merged(path.lstrip("/"))
    return None


def _is_helper(tree: Tree, path: str) -> bool:
    library = _HELPERS.get(path)
    return library is not None and any(each.endswith(f"/{library}") for each, _ in tree.items())


def _named(names: Sequence[str], found: Mapping[str, _Program]) -> list[_Program]:
    """Return the programs with these names or paths. Raises NotosError for all others."""
    selected = []
    wrong = []
    by_name = {path.rpartition("/")[2]: each for path, each in sorted(found.items())}
    for name in names:
        each = found.get(merged(name.lstrip("/"))) if "/" in name else by_name.get(name)
        if each is not None:
            selected.append(each)
            continue
        near = difflib.get_close_matches(name.rpartition("/")[2], by_name, 1, 0.7)
        have = f"the system's packages have {', '.join(sorted(by_name))}" if by_name else ""
        wrong.append(
            NotosError(
                f"no package of the system has a setuid program or one with capabilities named {name}",
                hint=f"did you mean {near[0]}?" if near else have or "add its package to system.packages",
                keys=("setuid", name),
            )
        )
    errors.raise_all(wrong)
    return selected

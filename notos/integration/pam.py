"""PAM's common-* files, joined from the profiles of packages as by pam-auth-update(8).

usr/share/pam/common-TYPE     the template
usr/share/pam-configs/NAME    a profile
etc/pam.d/common-TYPE         the result, which the files of services include
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from notos.debian.maintainer_scripts import ScriptCall
from notos.formats.tree import File, Tree
from notos.integration.model import Context

COMMANDS = ("pam-auth-update",)
TYPES = ("auth", "account", "password", "session", "session-noninteractive")

_PROFILES = "usr/share/pam-configs/"
_FIELD = re.compile(r"(\S+):\s+(.*)", re.DOTALL)
_LINE = re.compile(r"((?:\[[^]]+\]|\w+)\s+\S+)\s*(.*)")
_RETIRED = ("pam_tally",)  # a profile with such a module is ignored
_BLOCKS = {
    '# here are the per-package modules (the "Primary" block)': "Primary",
    '# and here are more per-package modules (the "Additional" block)': "Additional",
}
_ENDS = ("# here's the fallback if no module succeeds", "# end of pam-auth-update config")


@dataclass(frozen=True)
class _Profile:
    name: str
    fields: Mapping[str, str]
    conflicts: frozenset[str] = field(default_factory=frozenset)

    @property
    def priority(self) -> int:
        match = re.match(r"\s*(-?[0-9]+)", self.fields.get("Priority", ""))
        return int(match[1]) if match else 0

    def lines(self, kind: str, *, first: bool) -> list[str]:
        """Return the lines for a type; those of the first profile may differ."""
        text = (first and self.fields.get(f"{kind}-Initial")) or self.fields.get(kind, "")
        return [line for line in text.split("\n") if line]


def apply(tree: Tree, context: Context) -> None:
    """Add the common-* files whose templates are in `tree`, except for those that a package has."""
    templates = {kind: tree.get(f"usr/share/pam/common-{kind}") for kind in TYPES}
    if not any(templates.values()):
        return
    enabled, disabled = _changes(context)
    chosen = _chosen(_profiles(tree), enabled, disabled)
    for kind, template in templates.items():
        path = f"etc/pam.d/common-{kind}"
        if isinstance(template, File) and path not in tree:
            tree.file(path, _filled(template.read().decode(), kind, chosen).encode())


def understood(each: ScriptCall) -> bool:
    """Return True for a call of pam-auth-update that is done."""
    return None not in each.call.words


def _changes(context: Context) -> tuple[set[str], set[str]]:
    """Return the profiles that maintainer scripts enable and disable."""
    changes: dict[str, set[str]] = {"--enable": set(), "--disable": set()}
    for each in context.calls(*COMMANDS):
        option = ""
        for word in each.call.words[1:]:
            if word is not None and word.startswith("--"):
                option = word
            elif word is not None and option in changes:
                changes[option].add(word)
    return changes["--enable"], changes["--disable"]


def _profiles(tree: Tree) -> list[_Profile]:
    """Return the profiles in order: by falling priority, then by falling name."""
    found = []
    for path, entry in tree.items():
        name = path.removeprefix(_PROFILES)
        if path.startswith(_PROFILES) and isinstance(entry, File) and not name.endswith("~"):
            profile = _parsed(name, entry.read().decode(errors="surrogateescape"))
            if profile is not None:
                found.append(profile)
    return sorted(found, key=lambda each: (each.priority, each.name), reverse=True)


def _parsed(name: str, text: str) -> _Profile | None:
    """Return the profile; None if it has a retired module."""
    fields: dict[str, str] = {}
    conflicts: set[str] = set()
    key = ""
    for line in text.splitlines(keepends=True):
        match = _FIELD.fullmatch(line)
        if match:
            key = match[1].removesuffix("-Final")
            if key == "Conflicts":
                conflicts |= set(match[2].strip().split(", "))
            else:
                fields[key] = match[2].rstrip("\n")
        elif value := line.strip():
            if any(each in value for each in _RETIRED):
                return None
            fields[key] = f"{fields.get(key, '')}\n{value}".lstrip()
    if "Session-Interactive-Only" not in fields:
        for each in ("", "-Type", "-Initial"):
            if f"Session{each}" in fields:
                fields[f"Session-noninteractive{each}"] = fields[f"Session{each}"]
    return _Profile(name, fields, frozenset(conflicts))


def _chosen(profiles: Sequence[_Profile], enabled: set[str], disabled: set[str]) -> list[_Profile]:
    """Return the profiles of a new system, without those that conflict with one of higher priority."""
    chosen: list[_Profile] = []
    for each in profiles:
        default = each.fields.get("Default") == "yes" and each.name not in disabled
        if not default and each.name not in enabled:
            continue
        if not any(each.name in other.conflicts or other.name in each.conflicts for other in chosen):
            chosen.append(each)
    return chosen


def _filled(template: str, kind: str, profiles: Sequence[_Profile]) -> str:
    """Return the text of a common-* file."""
    result = []
    skips = False
    for line in template.splitlines(keepends=True):
        skips = skips and not line.startswith(_ENDS)
        if skips:
            continue
        result.append(line)
        for start, block in _BLOCKS.items():
            if line.startswith(start):
                result += _block(kind, block, profiles)
                skips = True
    return "".join(result)


def _block(kind: str, block: str, profiles: Sequence[_Profile]) -> list[str]:
    """Return the lines of a block. `end` in a line is the number of lines to the end of the block."""
    name = kind[0].upper() + kind[1:]
    module_type = kind.removesuffix("-noninteractive")
    ours = [each for each in profiles if each.fields.get(f"{name}-Type") == block]
    lines = [line for number, each in enumerate(ours) for line in each.lines(name, first=number == 0)]
    if block == "Primary" and not lines:
        return [f"{module_type}\t[default=1]\t\t\tpam_permit.so\n"]
    left = len(lines) - (block == "Additional")
    found = []
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match:
            module = match[1].replace("end", str(left - number))
            found.append(f"{module_type}\t{module} {' '.join(match[2].split())}\n")
    return found

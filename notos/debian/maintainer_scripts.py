"""The commands of a package's maintainer scripts at its first installation, read and never run.

The scripts are preinst, config and postinst, with their arguments for a new package (Debian policy 6.5).
Questions of debconf have their defaults from the package's templates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from notos.architecture import Architecture
from notos.debian.shell_calls import Call, Surroundings, Value, calls
from notos.errors import PackageError

# Scripts of a new package in order, with their arguments.
_SCRIPTS = {"preinst": ("install",), "config": ("configure", ""), "postinst": ("configure", "")}
_SHELL = re.compile(rb"#!\s*(?:/usr)?/bin/(?:env )?(?:ba|da|k)?sh\b")
_VARIABLES: Mapping[str, Value] = {
    "DPKG_ROOT": "",
    "DPKG_ADMINDIR": "/var/lib/dpkg",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
    **dict.fromkeys(("PATH", "LANG", "LC_ALL", "TERM", "SHELL", "HOSTNAME", "DPKG_RUNNING_VERSION"), None),
}
# Comparisons of dpkg(1) for which an empty version counts as earlier than any, and which are then true.
_EARLIER = {"lt": True, "le": True, "ne": True, "eq": False, "ge": False, "gt": False}
_LATER = {"lt-nl": False, "le-nl": False, "ge-nl": True, "gt-nl": True}


@dataclass(frozen=True)
class ScriptCall:
    """A command of a package's script (preinst, config, postinst)."""

    package: str
    script: str
    call: Call

    def __str__(self) -> str:
        return f"{self.script} of {self.package}, line {self.call.line}: {self.call.text}"


@dataclass(frozen=True)
class Unread:
    """A script that is not understood, and the reason."""

    package: str
    script: str
    reason: str


def read(
    package: str, control: Mapping[str, bytes], target: Architecture
) -> tuple[list[ScriptCall], list[Unread]]:
    """Return the commands of the scripts among `control` files, and the scripts that are not understood."""
    answers = _defaults(control.get("templates", b""))
    found: list[ScriptCall] = []
    unread: list[Unread] = []
    for script, arguments in _SCRIPTS.items():
        data = control.get(script)
        if data is None:
            continue
        if not _SHELL.match(data):
            first = data[:2] == b"#!" and data.partition(b"\n")[0][2:].decode(errors="replace").split()
            reason = f"it is a script for {first[0]}" if first else "it is a program"
            unread.append(Unread(package, script, reason))
            continue
        surroundings = Surroundings(
            arguments=arguments,
            variables={
                **_VARIABLES,
                "DPKG_MAINTSCRIPT_NAME": script,
                "DPKG_MAINTSCRIPT_PACKAGE": package,
                "DPKG_MAINTSCRIPT_ARCH": target.debian,
            },
            status=_status,
            output=lambda words: _output(words, target),
            effect=lambda words: _debconf(words, answers),
        )
        try:
            made = calls(data.decode(errors="replace"), surroundings)
        except PackageError as error:
            unread.append(Unread(package, script, error.message))
            continue
        found += (ScriptCall(package, script, each) for each in made)
    return found, unread


def _status(words: tuple[Value, ...]) -> bool | None:
    if words[0] == "dpkg" and words[1:2] == ("--compare-versions",) and len(words) == 5:
        left, operator, right = words[2:]
        if left == "" and right and operator:
            return {**_EARLIER, **_LATER}.get(operator)
    return None


def _output(words: tuple[Value, ...], target: Architecture) -> Value:
    match words:
        case ("dpkg", "--print-architecture"):
            return target.debian
        case ("dpkg-architecture", "-qDEB_HOST_MULTIARCH") | (
            "dpkg-architecture",
            "-q",
            "DEB_HOST_MULTIARCH",
        ):
            return target.gnu
        case ("dpkg-divert", "--truename", path):
            return path
    return None


def _defaults(templates: bytes) -> dict[str, Value]:
    """Return the default answer of each question (debconf-devel(7))."""
    answers: dict[str, Value] = {}
    name = ""
    for line in templates.decode(errors="replace").splitlines():
        key, colon, value = line.partition(":")
        if colon and key == "Template":
            name = value.strip()
            answers[name] = ""
        elif colon and key == "Default":
            answers[name] = value.strip()
    return answers


def _debconf(words: tuple[Value, ...], answers: dict[str, Value]) -> Mapping[str, Value]:
    """Return the variables that a debconf command sets, and keep the answer that db_set gives."""
    match words:
        case ("db_get", question):
            return {"RET": answers.get(question) if question else None}
        case ("db_fget", _, "seen"):
            return {"RET": "false"}
        case ("db_set", question, value):
            if question:  # another branch of the script may set another one
                answers[question] = value if answers.get(question) == value else None
        case (str() as name, *_) if name.startswith("db_"):
            return {"RET": None}
    return {}


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

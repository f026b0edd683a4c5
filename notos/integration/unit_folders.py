"""Folders that systemd would make for a package's service, as commands like those of a maintainer script.

Read are RuntimeDirectory=, StateDirectory=, CacheDirectory= and LogsDirectory= (systemd.exec(5)), the
commands of ExecStartPre= (systemd.service(5)), and the folders of sockets (systemd.socket(5)). runit starts
the service without its unit, so the folders are made at boot. Instances of templates (x@.service) have no
names here; their folders are left out.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress

from notos.debian.maintainer_scripts import ScriptCall
from notos.debian.shell_calls import Surroundings, calls
from notos.errors import PackageError

_FOLDERS = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
}
_SPECIFIERS = {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "%": "%"}
_LISTEN = ("ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO")
_SHELLS = ("sh", "bash", "dash")
_MAKING = ("mkdir", "touch", "install")  # commands whose results belong to the account that runs them
_UNKNOWN = "%?"  # a specifier whose value only systemd knows


def unit_calls(units: Mapping[str, bytes]) -> Iterator[ScriptCall]:
    """Yield the commands of the units, texts by path, in the order of their names."""
    for path, text in sorted(units.items()):
        name = path.rpartition("/")[2]
        if name.endswith((".service", ".socket")):
            for command in _commands(_settings(text.decode(errors="replace"), name)):
                with suppress(PackageError):  # a command that the parser does not understand
                    found = calls(command, Surroundings())
                    yield from (ScriptCall(name, "unit", each) for each in found)


def _settings(text: str, name: str) -> dict[str, list[str]]:
    """Return the values of each key of [Service] or [Socket]; an empty value resets those before it."""
    found: dict[str, list[str]] = {}
    section = ""
    kept = "".join(line for line in text.splitlines(keepends=True) if line.lstrip()[:1] not in ("#", ";"))
    for line in re.sub(r"\\\n", " ", kept).splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == ("[Service]" if name.endswith(".service") else "[Socket]"):
            key, equals, value = (part.strip() for part in line.partition("="))
            if equals and value:
                found.setdefault(key, []).append(_specified(value, name))
            elif equals:
                found.pop(key, None)
    return found


def _specified(value: str, name: str) -> str:
    """Return a value with its specifiers replaced (systemd.unit(5))."""
    stem = name.rpartition(".")[0]
    known = _SPECIFIERS if stem.endswith("@") else {**_SPECIFIERS, "n": name, "N": stem, "p": stem}
    return re.sub("%(.)", lambda match: known.get(match[1], _UNKNOWN), value)


def _commands(settings: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the commands of a unit, each as a shell script of its own."""
    user = settings.get("User", ["root"])[-1]
    group = settings.get("Group", [user])[-1]
    for key, parent in _FOLDERS.items():
        mode = settings.get(f"{key}Mode", ["0755"])[-1]
        for word in " ".join(settings.get(key, ())).split():
            folder = word.partition(":")[0].strip('"')
            if _UNKNOWN not in folder and _UNKNOWN not in user + group:
                yield shlex.join(("install", "-d", "-m", mode, "-o", user, "-g", group, f"{parent}/{folder}"))
    for value in (value for key in _LISTEN for value in settings.get(key, ())):
        folder = value.rpartition("/")[0]
        if folder.count("/") > 1 and _UNKNOWN not in folder:  # /run itself exists
            yield shlex.join(("install", "-d", "-m", settings.get("DirectoryMode", ["0755"])[-1], folder))
    for value in settings.get("ExecStartPre", ()):
        prefix, command = re.fullmatch(r"([-@:+!|]*)(.*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        if not words or _UNKNOWN in command or "@" in prefix:
            continue
        program = words[0].rpartition("/")[2]
        if program in _SHELLS and words[1:2] == ["-c"] and len(words) == 3:
            yield f"(\n{words[2].replace('$$', '$')}\n)"
        else:
            yield shlex.join(words)
            paths = [word for word in words[1:] if word.startswith("/")]
            if program in _MAKING and user != "root" and not set("+!") & set(prefix) and paths:
                yield shlex.join(("chown", f"{user}:{group}", *paths))

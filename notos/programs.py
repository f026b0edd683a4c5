"""Programs that a machine's scripts start, and that none of its packages has.

Only what is certain counts: the interpreter in a script's first line, and the word behind the last `exec`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from notos.errors import ClosureError
from notos.machine import Machine
from notos.tree import File, Symlink, Tree

_FOLDERS = ("bin", "sbin")  # of system-path, which is /usr
_ABSOLUTE = re.compile(r"/(?:usr/)?(s?bin/[^/\s]+)")
_EXEC = re.compile(r"^exec\s+([A-Za-z0-9_./+-]+)(?=\s|$)", re.MULTILINE)
_ELF = b"\x7fELF"


def lacking(machine: Machine, *, system: Tree, runit: Tree) -> Iterator[ClosureError]:
    """Yield an error for each program that a service or a file of `machine` starts in vain.

    `system` is system-path's tree, `runit` that of the runit object.
    """
    yield from _of_services(machine, system, runit)
    yield from _of_etc(machine, system)


def _of_services(machine: Machine, system: Tree, runit: Tree) -> Iterator[ClosureError]:
    for name, service in machine.services.items():
        key = "source" if service.source is not None else "run"
        keys = ("services", str(name), key)
        for file in ("run", "finish", "log/run"):
            entry = runit.get(f"services/{name}/{file}")
            if not isinstance(entry, File):
                continue
            where = f"services.{name}.run" if key == "run" else f"{file} of the service {name}"
            for message in _problems(entry.read(), system):
                yield ClosureError(
                    f"{where} {message}",
                    hint=f"add the package that has it to services.{name}.packages, or the package as "
                    "NAME: {closure: depends}",
                    keys=keys,
                )


def _of_etc(machine: Machine, system: Tree) -> Iterator[ClosureError]:
    for path, file in machine.etc.items():
        if int(file.mode, 8) & 0o111:
            data = file.text.encode() if file.text is not None else Path(str(file.source)).read_bytes()
            if data.startswith(b"#!") and (program := _interpreter(data, system)):
                yield ClosureError(
                    f"etc.{path} is a script for {program}, which no package has",
                    hint="add the package that has it to system.packages",
                    keys=("etc", str(path)),
                )


def _problems(data: bytes, system: Tree) -> Iterable[str]:
    """Yield what is wrong with the script `data`, as the end of a sentence."""
    if data.startswith(_ELF):
        return
    if not data.startswith(b"#!"):
        yield "has no #! in its first line, so that it cannot be started"
        return
    if program := _interpreter(data, system):
        yield f"is a script for {program}, which no package has"
        return
    text = data.decode(errors="replace")
    found = _EXEC.findall(text)
    # What another language's script starts is not known, nor what PATH leads to if the script sets it.
    of_shell = re.match(r"#!\s*\S*/(?:env )?(?:ba|da|a)?sh\b", text) and "PATH=" not in text
    if found and of_shell and (program := _lacking(found[-1], system)):
        yield f"starts {program}, which no package has"


def _interpreter(data: bytes, system: Tree) -> str:
    """Return the program that the first line names and `system` lacks; "" if it has it."""
    words = data.partition(b"\n")[0][2:].decode(errors="replace").strip(" ").split(" ")
    if words[0].rpartition("/")[2] == "env" and len(words) > 1:
        return _lacking(words[-1] if words[1] == "-S" else words[1], system)
    if words[0].endswith("\r"):
        return f"{words[0]!r} (its lines end in a carriage return)"
    return _lacking(words[0], system)


def _lacking(word: str, system: Tree) -> str:
    """Return `word` if it names a program that cannot be there, else "".

    What stands outside of /usr, or is found relative to a folder, is not known here.
    """
    match = _ABSOLUTE.fullmatch(word)
    if not match and "/" in word:
        return ""
    paths = [match[1]] if match else [f"{folder}/{word}" for folder in _FOLDERS]
    if any(_leads_somewhere(path, system) for path in paths):
        return ""
    link = next((entry for path in paths if isinstance(entry := system.get(path), Symlink)), None)
    return f"{word}, a link to {link.target}" if link else word


def _leads_somewhere(path: str, system: Tree) -> bool:
    """Return True if `path` is a file, or a link to one or out of the tree."""
    entry = system.get(path)
    if isinstance(entry, Symlink) and entry.target.startswith("/"):
        return True
    return system.resolve(path) is not None

"""Check for programs that a machine's scripts start but none of its packages has.

Only certain cases are reported: the interpreter in a script's first line, the program that its last command
starts with `exec`, also through chpst and similar programs, and the interpreter of a package's script that
the last command starts.
"""

import getopt
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from notos.errors import ClosureError
from notos.features.model import Copy, EtcFile, Features, Placed, Text
from notos.formats.tree import File, Symlink, Tree
from notos.system.own_scripts import own_scripts

_FOLDERS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")  # in the PATH of services
_ABSOLUTE = re.compile(r"/(?:usr/)?((?:local/)?s?bin/[^/\s]+)")
_OF_PACKAGES = re.compile(r"/+(usr|bin|sbin|lib\w*)/")  # folders of which system-path has all files
_PLAIN = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+-]*")  # a word without special characters of the shell
_EXEC_OPTIONS = re.compile(r"-[cl]*(a?)(.*)")  # of bash(1); busybox' ash has -a
_HERE_DOCUMENT = re.compile(r"""(?<!<)<<(?!<)(-?)\s*(?:'([^']*)'|"([^"]*)"|([^\s;&|<>()'"]+))""")
_ENV_VALUES = ("-u", "--unset", "-C", "--chdir")  # options of env(1) whose value is the next word
# Programs that start another one with the words after their own options (short ones, as for getopt(3)).
_STARTERS = {
    "chpst": "vP012u:U:b:n:l:L:m:d:o:p:f:c:",
    "env": "iu:",
    "ionice": "tc:n:",
    "nice": "n:",
    "nohup": "",
    "setsid": "cfw",
}
_ELF = b"\x7fELF"


def lacking(features: Features, *, system: Tree, runit: Tree) -> Iterator[ClosureError]:
    """Yield an error for each missing program that a script or a file of the config starts.

    `system` is system-path's tree, `runit` that of the runit object.
    """
    root = system.as_usr()
    for script in own_scripts(features, runit):
        for message in _problems(script.data, root):
            hint = f"add the package that has it to {script.packages}"
            yield ClosureError(f"{script.where} {message}", hint=hint, keys=script.keys)
    yield from _of_etc(features, root)


def finder(system: Tree, placed: Iterable[Placed]) -> Callable[[str], bool]:
    """Return a function that returns True for an absolute path that the machine has.

    `system` is system-path's tree, and `placed` are the files of the config. All paths below a folder of the
    config count.
    """
    root = system.as_usr()
    others = [each.path for each in placed]

    def exists(path: str) -> bool:
        return any(path == each or path.startswith(f"{each}/") for each in others) or (
            root.resolve(path.lstrip("/")) is not None
        )

    return exists


def _of_etc(features: Features, root: Tree) -> Iterator[ClosureError]:
    for file in features.etc:
        if file.keys and int(file.mode, 8) & 0o111:
            data = _data(file)
            if data.startswith(b"#!") and (program := missing_interpreter(data, root)):
                yield ClosureError(
                    f"etc.{file.path} is a script for {program}, which no package has",
                    hint="add the package that has it to system.packages",
                    keys=file.keys,
                )


def _data(file: EtcFile) -> bytes:
    match file.content:
        case Text(text):
            return text.encode()
        case Copy(source):
            return Path(source).read_bytes()
    return b""


def _problems(data: bytes, root: Tree) -> Iterable[str]:
    """Yield the problems of the script `data`, as the end of a sentence."""
    if data.startswith(_ELF):
        return
    if not data.startswith(b"#!"):
        yield "has no #! in its first line, so that it cannot be started"
        return
    if program := missing_interpreter(data, root):
        yield f"is a script for {program}, which no package has"
        return
    text = data.decode(errors="replace")
    # Scripts in other languages, and scripts that set PATH, are not analysed.
    of_shell = re.match(r"#!\s*\S*/(?:env )?(?:ba|da|a)?sh\b", text) and "PATH=" not in text
    if not of_shell:
        return
    words = _last_command(text)
    programs = list(_executed(words))
    if absent := [lacked for each in programs if (lacked := _lacking(each, root))]:
        yield from (f"starts {each}, which no package has" for each in absent)
        return
    for program in programs or [each for each in words[:1] if _PLAIN.fullmatch(each)]:
        if lacked := _lacking_below(program, root):
            yield f"starts {program}, a script for {lacked}, which no package has"


def _executed(words: list[str]) -> Iterator[str]:
    """Yield the programs that a command starts with `exec`, one through the other; none if it is unclear."""
    if words[:1] != ["exec"]:
        return
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        match = _EXEC_OPTIONS.fullmatch(option)
        if option == "-" or not match or (match[2] and not match[1]):
            return
        if match[1] and not match[2]:  # -a NAME sets argv[0] of the program
            rest = rest[1:]
    while rest and _PLAIN.fullmatch(rest[0]):
        yield rest[0]
        options = _STARTERS.get(rest[0].rpartition("/")[2])
        if options is None:
            return
        try:
            _, rest = getopt.getopt(rest[1:], options)
        except getopt.GetoptError:  # such as another root folder (chpst -/) or environment (-e)
            return
        while rest and re.match("[A-Za-z_][A-Za-z0-9_]*=", rest[0]):  # of env
            rest = rest[1:]


def _last_command(text: str) -> list[str]:
    """Return the words of the last command line of a shell script; none if its quotes are unclear.

    A line that ends in a backslash is joined with the next. Comments and here-documents are skipped.
    """
    lines = iter(text.split("\n"))
    commands = []
    for line in lines:
        command = line.strip()
        if not command or command.startswith("#"):
            continue
        while command.endswith("\\"):
            command = command[:-1] + next(lines, "")
        commands.append(command)
        for dash, *delimiters in _HERE_DOCUMENT.findall(command):
            end = "".join(delimiters).replace("\\", "")
            for each in lines:
                if (each.lstrip("\t") if dash else each) == end:
                    break
    try:
        # A quote that is open before the last line continues into it: ValueError.
        shlex.split("\n".join(commands[:-1]), comments=True)
        return shlex.split(commands[-1], comments=True) if commands else []
    except ValueError:
        return []


def missing_interpreter(data: bytes, root: Tree) -> str:
    """Return the program in the first line of a script if `root`, a tree with usr/, lacks it, else ""."""
    words = re.split(r"[ \t]+", data.partition(b"\n")[0][2:].decode(errors="replace").strip(" \t"))
    if words[0].rpartition("/")[2] == "env" and len(words) > 1:
        return _lacking(_program_of_env(words[1:]), root)
    if words[0].endswith("\r"):
        return f"{words[0]!r} (its lines end in a carriage return)"
    return _lacking(words[0], root)


def _program_of_env(words: list[str]) -> str:
    """Return the program that `env` starts, from the `words` after it in a first line; "" if it is unclear.

    Without -S all of them are one argument (execve(2)), and its first word is returned.
    """
    head = re.fullmatch(r"(?:-[0iv]*S|--split-string=)(.*)", words[0])
    if not head:
        return "" if words[0].startswith("-") or "=" in words[0] else words[0]
    try:
        rest = shlex.split(" ".join([head[1], *words[1:]]))
    except ValueError:
        return ""
    while rest and (rest[0].startswith("-") or "=" in rest[0]):
        option = rest.pop(0)
        if option.startswith("PATH="):
            return ""
        if option in _ENV_VALUES:
            rest = rest[1:]
    return rest[0] if rest and "$" not in rest[0] else ""


def _lacking(word: str, root: Tree) -> str:
    """Return `word` if it names a program that is certainly missing, else "".

    Programs outside /usr, and relative paths with a slash, count as present.
    """
    paths = _paths(word)
    if not paths or any(_leads_somewhere(path, root) for path in paths):
        return ""
    link = next((entry for path in paths if isinstance(entry := root.get(path), Symlink)), None)
    return f"{word}, a link to {link.target}" if link else word


def _paths(word: str) -> list[str]:
    """Return the paths where the program `word` may be; none for programs outside /usr and relative paths."""
    match = _ABSOLUTE.fullmatch(word)
    if match:
        return [f"usr/{match[1]}"]
    return [] if "/" in word or not word else [f"{folder}/{word}" for folder in _FOLDERS]


def _lacking_below(word: str, root: Tree) -> str:
    """Return the interpreter that is missing if `word` names a script of a package, else "".

    Packages do not depend on Essential packages such as bash (Debian policy 3.5).
    """
    for path in _paths(word):
        place = root.resolve(path)
        entry = root.get(place) if place is not None else None
        if isinstance(entry, File):
            data = entry.read()
            return missing_interpreter(data, root) if data.startswith(b"#!") else ""
    return ""


def _leads_somewhere(path: str, root: Tree) -> bool:
    """Return True if `path` is a file, a link to a file, or a link to a folder that no package owns."""
    entry = root.get(path)
    if isinstance(entry, Symlink) and entry.target.startswith("/") and not _OF_PACKAGES.match(entry.target):
        return True
    return root.resolve(path) is not None

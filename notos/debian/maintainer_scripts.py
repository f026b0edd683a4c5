"""The commands of a package's maintainer scripts at its first installation, read and never run.

The scripts are preinst, config and postinst, with their arguments for a new package (Debian policy 6.5).
Questions of debconf have their defaults from the package's templates.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from notos.architecture import Architecture
from notos.debian.command_words import Value, options
from notos.debian.deb822 import stanza
from notos.debian.debconf import Questions
from notos.debian.script_files import Files
from notos.debian.shell_calls import Call, Surroundings, calls
from notos.debian.shell_values import is_glob
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
# Accounts of base-passwd.
_BOTH = "root daemon bin sys games man lp mail news uucp proxy www-data backup list irc"
_ACCOUNTS = {
    "passwd": f"{_BOTH} sync _apt nobody".split(),
    "group": f"{_BOTH} nogroup adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator "
    "src shadow utmp video sasl plugdev staff users".split(),
}
_CREATE = ("adduser", "addgroup", "useradd", "groupadd")
# Programs that are shell scripts and only make links or call programs whose work is known.
_FOLLOWED = (".", "source", "configure-symlinks")
_NOT_FOLLOWED = (
    "/usr/share/debconf/",
    "/usr/share/dbconfig-common/dpkg/p",
    "/usr/share/dbconfig-common/dpkg/config",
)


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


class Read(NamedTuple):
    """The commands of a package's scripts, and the scripts that are not understood."""

    calls: list[ScriptCall]
    unread: list[Unread]


def read(
    package: str, control: Mapping[str, bytes], target: Architecture, files: Files | None = None
) -> Read:
    """Return the commands of the scripts among the `control` files of one package, as read_all() does."""
    return read_all({package: control}, target, lambda _package: files or Files())[package]


def read_all(
    controls: Mapping[str, Mapping[str, bytes]],
    target: Architecture,
    files: Callable[[str], Files],
    *,
    installed: Mapping[str, str] | None = None,
) -> dict[str, Read]:
    """Return the commands of the scripts of all packages, which `controls` has in the order of dpkg.

    All packages are unpacked before the first one is configured. `files` returns the files that a package's
    scripts see; the changes of the scripts are added. `installed` are the texts of the files "control" of the
    system's packages by name, None if these are unknown.
    """
    database = Database(installed, set(), _shared(controls))
    packages = {
        name: _Scripts(name, control, target, files(name), database) for name, control in controls.items()
    }
    for each in packages.values():
        each.follow("preinst")
    for name, each in packages.items():
        each.follow("config")
        each.follow("postinst")
        database.configured.add(name)
    return {name: each.read for name, each in packages.items()}


def _shared(controls: Mapping[str, Mapping[str, bytes]]) -> frozenset[str]:
    """Return the questions that several packages have."""
    seen: Counter[str] = Counter()
    for control in controls.values():
        templates = control.get("templates", b"").decode(errors="replace")
        seen.update(re.findall(r"^Template:\s*(\S+)", templates, re.MULTILINE))
    return frozenset(name for name, count in seen.items() if count > 1)


@dataclass(frozen=True)
class Database:
    """dpkg's database: the fields of installed packages, None if they are unknown, and configured ones.

    `shared` are the questions of debconf that several packages have.
    """

    installed: Mapping[str, str] | None
    configured: set[str]
    shared: frozenset[str] = frozenset()

    def status(self, package: str) -> str | None:
        """Return the status of a package as in dpkg-query(1), "" if it is not installed; None if unknown."""
        if self.installed is None:
            return None
        if package not in self.installed:
            return ""
        return "install ok installed" if package in self.configured else "install ok unpacked"


class _Scripts:
    """The scripts of one package; `read` has the commands that were followed."""

    def __init__(
        self,
        package: str,
        control: Mapping[str, bytes],
        target: Architecture,
        files: Files,
        database: Database,
    ) -> None:
        self.read = Read([], [])
        self._package = package
        self._control = control
        self._target = target
        self._files = files
        self._accounts = {(kind, name) for kind, names in _ACCOUNTS.items() for name in names}
        self._database = database
        self._questions = Questions(package, control.get("templates", b""), database.shared)

    def follow(self, script: str) -> None:
        """Add the commands of a script to `read`."""
        data = self._control.get(script)
        if data is None:
            return
        if not _SHELL.match(data):
            first = data[:2] == b"#!" and data.partition(b"\n")[0][2:].decode(errors="replace").split()
            reason = f"it is a script for {first[0]}" if first else "it is a program"
            self.read.unread.append(Unread(self._package, script, reason))
            return
        surroundings = Surroundings(
            arguments=_SCRIPTS[script],
            variables={
                **_VARIABLES,
                "DPKG_MAINTSCRIPT_NAME": script,
                "DPKG_MAINTSCRIPT_PACKAGE": self._package,
                "DPKG_MAINTSCRIPT_ARCH": self._target.debian,
            },
            status=self._status,
            output=lambda words: _output(words, self._target, self._files, self._database),
            effect=lambda words, certain: self._questions.call(words, certain=certain),
            files=self._files,
            follows=_follows,
        )
        self._files.umask = 0o022  # that of dpkg
        try:
            made = calls(data.decode(errors="replace"), surroundings)
        except PackageError as error:
            self.read.unread.append(Unread(self._package, script, error.message))
            return
        self.read.calls.extend(ScriptCall(self._package, script, each) for each in made)
        if script == "preinst":
            self._files.lay_out()

    def _status(self, words: tuple[Value, ...]) -> bool | None:
        """Return the result of a command on a new system, None if it is unknown."""
        match words:
            case ("db_get" | "db_fget" | "db_metaget", str() as name, *_) if self._questions.has(name):
                return True
            case ("db_get" | "db_metaget", ""):
                return False
        return _status(words, self._files, self._accounts, self._database)


def _follows(words: tuple[Value, ...]) -> bool:
    """Return True for a call of another script that is followed.

    debconf's functions are known (_debconf); those of dbconfig-common need a running database.
    """
    name = (words[0] or "").rpartition("/")[2]
    return name in _FOLLOWED and not (words[1:] and (words[1] or "").startswith(_NOT_FOLLOWED))


def _status(
    words: tuple[Value, ...], files: Files, accounts: set[tuple[str, str]], database: Database
) -> bool | None:
    """Return the result of a command on a new system.

    `accounts` are those that exist by then, as ("passwd" or "group", NAME).
    """
    match words:
        case ("dpkg", "--compare-versions", "", str() as operator, str() as right) if right:
            return {**_EARLIER, **_LATER}.get(operator)
        case ("dpkg-query" | "dpkg", *_) if (packages := _queried(words)) is not None:
            found_all = [database.status(each) for each in packages]
            return None if None in found_all else "" not in found_all
        case ("dpkg-statoverride", *rest) if "--list" in rest and None not in rest:
            return False
        case ("command", "-v" | "-V", "ucf" | "ucfr") | ("which" | "type", "ucf" | "ucfr"):
            return True  # script_commands.py does their work; no machine has the package
        case ("command", "-v" | "-V", str() as name) | ("which" | "type", str() as name):
            found = _program(name, files)
            return None if found is None else found != ""
        case ("which", "-s" | "-a", str() as name):
            return _status(("which", name), files, accounts, database)
        case ("getent", "passwd" | "group" as kind, str() as name) if (kind, name) in accounts:
            return True
        case ("id", *_, str() as name) if ("passwd", name) in accounts:
            return True
        case (str() as name, *options, str() as account) if name.rpartition("/")[2] in _CREATE:
            accounts.update((kind, account) for kind in _created(name.rpartition("/")[2], options, accounts))
            return True
        case ("db_input" | "db_go" | "db_set" | "db_version" | "db_capb" | "db_stop", *_):
            return True
    return None


def _created(program: str, options: Sequence[Value], accounts: set[tuple[str, str]]) -> Sequence[str]:
    """Return the databases to which a program adds the account that is its last word."""
    if program in ("addgroup", "groupadd") or "--group" in options:
        return ("group",) if "--system" not in options or program != "adduser" else ("passwd", "group")
    if options and ("passwd", options[-1]) in accounts:
        return ()  # adduser USER GROUP
    group_given = any((each or "").startswith(("-g", "--gid", "--ingroup", "-N")) for each in options)
    own_group = not group_given and not (program == "adduser" and "--system" in options)
    return ("passwd", "group") if own_group else ("passwd",)


def _program(name: str, files: Files) -> Value:
    """Return the path of a program, "" if it does not exist; None if that is unknown."""
    paths = [name] if name.startswith("/") else [f"/usr/{folder}/{name}" for folder in ("sbin", "bin")]
    nodes = {path: files.look(path) for path in paths}
    for path, node in nodes.items():
        if node.kind == "f" and node.executable:
            return f"{path}\n"
    return None if any(node.kind == "?" for node in nodes.values()) else ""


def _queried(words: tuple[Value, ...]) -> list[str] | None:
    """Return the packages of which a command shows the status; None for others and unknown ones."""
    given, names = options(words, ("-f", "--showformat", "--admindir"))
    known = [each for each in names if each is not None]
    asks = {"-W", "--show", "-s", "--status"} & given.keys()
    is_literal = known and len(known) == len(names) and not any(map(is_glob, known))
    return [each.partition(":")[0] for each in known] if asks and is_literal else None


def _shown(words: tuple[Value, ...], packages: Sequence[str], database: Database) -> Value:
    """Return the output of dpkg-query -W for these packages."""
    given, _ = options(words, ("-f", "--showformat", "--admindir"))
    attached = next((key[2:] for key in given if re.match("-f.", key)), None)
    if attached is not None:  # -f='…' and -f'…'
        attached = attached.removeprefix("=") or given[f"-f{attached}"]
    shape = given.get("-f") or given.get("--showformat") or attached
    shown = ""
    for package in packages:
        status = database.status(package)
        if status is None or shape is None:
            return None
        if status:
            values = {
                "Package": package,
                "Status": status,
                "db:Status-Status": status.rpartition(" ")[2],
                "Version": stanza((database.installed or {})[package]).get("Version", ""),
            }
            text = shape
            for name, value in values.items():
                text = text.replace(f"${{{name}}}", value)
            if "${" in text:
                return None
            shown += text.replace("\\n", "\n").replace("\\t", "\t")
    return shown


def _paragraphs(packages: Sequence[str], database: Database) -> Value:
    """Return the output of dpkg -s for these packages: the control file, with the status after the name."""
    found = []
    for package in packages:
        status = database.status(package)
        if status is None:
            return None
        if status:
            control = (database.installed or {})[package].strip("\n")
            found.append(
                re.sub("^(Package:.*)$", rf"\1\nStatus: {status}", control, count=1, flags=re.M) + "\n"
            )
    return "\n".join(found)


def _output(words: tuple[Value, ...], target: Architecture, files: Files, database: Database) -> Value:
    """Return the output of a command whose output is known; None for others."""
    match words:
        case ("dpkg" | "dpkg-query", "-s" | "--status", *_) if (packages := _queried(words)) is not None:
            return _paragraphs(packages, database)
        case ("dpkg-query", *_) if (packages := _queried(words)) is not None:
            return _shown(words, packages, database)
        case ("command", "-v", str() as name) | ("which", str() as name) if found := _program(name, files):
            return f"{found}\n"
        case ("dpkg", "--print-architecture"):
            return f"{target.debian}\n"
        case ("dpkg-architecture", "-qDEB_HOST_MULTIARCH") | (
            "dpkg-architecture",
            "-q",
            "DEB_HOST_MULTIARCH",
        ):
            return f"{target.gnu}\n"
        case ("dpkg-divert", "--truename", str() as path):
            return f"{files.true_name(path)}\n"
    return None

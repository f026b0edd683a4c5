"""The parts of maintainer scripts that Notos does not do, by package.

A command counts if it could change a new system and no mechanism does its work. Commands that only print,
read or test, that start services, or that serve dpkg and other init systems have no effect here.
"""

import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from notos.architecture import Architecture
from notos.debian import deb
from notos.debian.maintainer_scripts import Read, ScriptCall
from notos.debian.script_files import Files, Packages
from notos.debian.shell_calls import Call
from notos.debian.shell_values import is_glob
from notos.errors import PackageError
from notos.formats.tree import Directory, Tree
from notos.formats.usr_merge import merged
from notos.integration import (
    accounts,
    alternatives,
    diversions,
    first_states,
    pam,
    permissions,
    setuid,
    texts,
)
from notos.integration.model import BASE, Installed, Scripts, scripts

# Mechanisms that decide by a command's words whether its work is done.
_DECIDED: Mapping[str, Callable[[ScriptCall], bool]] = {
    **dict.fromkeys(accounts.COMMANDS, accounts.understood),
    **dict.fromkeys(permissions.COMMANDS, permissions.understood),
    **dict.fromkeys(diversions.COMMANDS, diversions.understood),
    **dict.fromkeys(setuid.COMMANDS, setuid.understood),
    **dict.fromkeys(pam.COMMANDS, pam.understood),
    "update-alternatives": alternatives.understood,
}
# Commands that print, read, test or prepare.
_HARMLESS = """
: [ [[ aa-enabled aa-status alias apache2ctl apachectl awk base64 basename bc cat cd chronyd cksum cmp comm
command cut date df diff dirname dpkg dpkg-query dpkg-realpath dpkg-vendor echo egrep env exim_dumpdb expr
false fgrep find fold gawk getcap getent grep groups hash head hostname id ischroot journalctl ldd locale
logger ls lsb_release lsof mawk md5sum mktemp mountpoint named-checkconf netstat nproc pam_getenv paste
pg_checksystem pg_lsclusters pgrep pidof printf proftpd ps pwd read readlink realpath runlevel sed seq
sha256sum shopt slappasswd sleep sort squid ss stat su sync tac tail tee test tput tr trap true tty type
ulimit umask uname uniq vgcfgbackup wait wc which xargs yes ypcat ypwhich zcat
"""
# Commands that start, stop or enable services, and those of other init systems.
_SERVICES = """
deb-systemd-helper deb-systemd-invoke initctl invoke-rc.d kill killall pkill rc-service runit-helper service
start-stop-daemon systemctl systemd telinit udevadm update-inetd update-rc.d update-service
"""
# Commands of dpkg, debconf and for files of earlier versions, which a new system lacks.
_PACKAGING = """
apt-cache apt-config apt-get aptitude db_beginblock db_capb db_endblock db_fget db_fset db_get db_go db_info
db_input db_metaget db_purge db_register db_reset db_set db_settitle db_stop db_subst db_title db_unregister
db_version deb-systemd-invoke delgroup deluser dpkg-architecture dpkg-maintscript-helper dpkg-trigger
groupdel groupmod rm rmdir suidunregister update-notifier userdel
"""
# Commands whose work Notos does from data, or that concern parts that a machine does not have.
_NATIVE = """
add-shell apparmor_parser dbus-uuidgen depmod fc-cache gdk-pixbuf-query-loaders gio-querymodules
glib-compile-schemas gtk-query-immodules-3.0 gtk-update-icon-cache helpztags ldconfig lspci
modprobe pg_updateaptconfig py3clean py3compile py3versions py_compile.py pypy3compile
relink_postmaster_manpages remove-shell restorecon systemd-machine-id-setup systemd-sysusers systemd-tmpfiles
ucf ucfq ucfr update-ca-certificates update-desktop-database update-grub update-gsfontmap update-gtk-immodules
update-icon-caches update-initramfs update-locale update-menus update-mime-database
systemd-hwdb update-shells update-smart-drivedb
"""
_SILENT = frozenset(f"{_HARMLESS} {_SERVICES} {_PACKAGING} {_NATIVE}".split())

_SOURCED = (
    "/etc/",
    "/usr/share/debconf/confmodule",
    "/usr/share/dbconfig-common/dpkg/p",
    "/usr/share/dbconfig-common/dpkg/config",
)
# Files that do not matter after a boot, that no program of the machine reads, or of system/databases.py.
_PASSING = re.compile(
    r"/(?:dev|proc|sys|tmp|run|var/run|var/log|var/tmp|var/backups|etc/apparmor\.d)/|.*\.dpkg-"
    r"|/usr/lib/.*/(?:giomodule|immodules|loaders)\.cache"
)
_LONGEST = 100  # characters of a command
_LARGE = 1 << 18  # bytes; no script copies such files
_JOBS = 2  # threads that decompress packages
_ON_FILES = ("chgrp", "chmod", "chown", "cp", "install", "ln", "mkdir", "mv", "touch")
_MOVES = ("cp", "install", "mv", "ucf")
_IN_PLACE = re.compile(r"-[a-z]*i.*|--in-place.*")


@dataclass(frozen=True)
class NotDone:
    """A command of a package's script that is not done; `text` is its source, or a reason."""

    package: str
    script: str
    text: str

    def __str__(self) -> str:
        return f"{self.script} of {self.package} {self.text}, which is not done"


def find(
    packages: Iterable[Installed], target: Architecture, others: Iterable[Installed] = ()
) -> Iterator[NotDone]:
    """Yield the commands of the packages' scripts that are not done, each once.

    `others` are all packages of the system, whose files decide about conditions; `packages` by default.
    Raises PackageError.
    """
    known = list(packages)
    everything = list(others or known)
    present = {each.name for each in everything if not each.partial}
    blind = scripts(None, target, *everything)
    suspects = [
        each.name for each in known if each.name not in BASE and any(_of(each.name, blind, None, present))
    ]
    # Files decide about the conditions in scripts. They are read only if that matters, because it takes long.
    if not suspects:
        return
    files, folders = _files(everything)
    seen = Packages(files, folders)
    calls = (call for each in blind.of.values() for call in each.calls)
    users = accounts.created(calls, files)
    found = scripts(seen, target, *everything)
    for name in suspects:
        yield from _of(name, found, seen, present, users)


def _files(packages: Iterable[Installed]) -> tuple[Tree, set[str]]:
    """Return the files and the folders of the packages; of two files at a path, one."""
    tree = Tree()
    folders: set[str] = set()
    with ThreadPoolExecutor(_JOBS) as pool:
        for files in pool.map(_read, packages):
            for path, entry in files.items():
                place = merged(path)
                if isinstance(entry, Directory):
                    folders.add(place)
                elif place not in tree:
                    with suppress(PackageError):  # a folder in one package, a link in another
                        tree.add(place, entry)
    return tree, folders


def _read(package: Installed) -> Tree:
    """Return the files of a package; large ones are empty."""
    return deb.read(package.path, kept=lambda data: data if len(data) < _LARGE else b"")


def _of(
    package: str,
    found: Scripts,
    files: Packages | None,
    present: Collection[str],
    users: Container[str] = (),
) -> Iterator[NotDone]:
    """Yield the commands of a package's scripts that are not done, each once.

    `present` are the packages of the system, and `users` those that scripts create.
    """
    calls, unread = found.of.get(package, Read([], []))
    seen: dict[tuple[str, str], None] = {}
    for each in unread:
        if not first_states.does(present, package, each.script, first_states.ALL):
            seen[each.script, f"is not understood ({each.reason})"] = None
    for number, call in enumerate(calls):
        text = _text(call, files, users, calls[number + 1 :])
        if text and not first_states.does(present, package, call.script, call.call.name):
            seen[call.script, text] = None
    yield from (NotDone(package, script, text) for script, text in seen)


def _destination(path: str, later: Sequence[ScriptCall]) -> str:
    """Return the path to which `later` calls move or copy a temporary file, by default itself."""
    for each in later:
        known = [word for word in each.call.words[1:] if word and word.startswith("/")]
        if each.call.name in _MOVES and len(known) == 2 and known[0] == path:
            return known[1]
    return path


def _text(
    each: ScriptCall, files: Packages | None, users: Container[str], later: Sequence[ScriptCall] = ()
) -> str:
    """Return a call that is not done as the end of a sentence, "" for others; `later` are those after it."""
    call = each.call
    name = call.name
    if call.done:
        return ""
    written = [path for path in call.writes if path is None or not _PASSING.match(path)]
    if written and texts.understood(each):
        return ""
    if written and each.script != "config":
        paths = [_destination(path, later) if path else "a file" for path in written]
        return f"writes {', '.join(dict.fromkeys(paths))}"
    if each.script == "config" and name not in _DECIDED:
        return ""  # questions
    if re.fullmatch(r"python3(?:\.[0-9]+)?", name) and any(
        "py_compile" in (word or "") for word in call.words
    ):
        return ""  # system/bytecode.py
    if name in ("perl", "sed", "exec"):
        return f"calls {_short(call)}" if _changes_files(call) else ""
    if name in _SILENT or name.startswith("db_"):
        return ""
    source = call.words[1] if call.words[1:] else None
    if name == "." and (source is None or source.startswith(_SOURCED)):
        return ""  # of the last ones, each call of a function is reported
    if (call.words[0] or "").startswith("/etc/init.d/"):
        return ""
    if name in ("cp", "mv") and not call.certain and not (source or "").startswith("/usr/share/"):
        return ""  # files of an earlier version
    changed = accounts.changes(each)
    if name in _DECIDED and _DECIDED[name](each) and (not changed or changed in users):
        return ""
    if _is_passing(each) or _is_vague(each) or _matches_nothing(each, files):
        return ""
    return f"calls {_short(call)}"


def _short(call: Call) -> str:
    """Return the source of a call; its words if they are known and the source does not name the command."""
    known = [word for word in call.words if word is not None]
    is_named = not call.text.startswith(("$", '"$')) or not known or call.words[0] is None
    text = call.text if is_named else " ".join(word or "…" for word in call.words)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _changes_files(call: Call) -> bool:
    """Return True for perl and sed that edit files of a new system."""
    paths = [word for word in call.words[1:] if word and word.startswith("/")]
    edits = any(_IN_PLACE.fullmatch(word or "") for word in call.words[1:3])
    return call.certain and edits and bool(paths) and not all(map(_PASSING.match, paths))


def _is_vague(each: ScriptCall) -> bool:
    """Return True for a call below an unknown condition that does something unknown, or to unknown files."""
    words = each.call.words
    if each.call.certain:
        return False
    return not words or words[0] is None or (each.call.name in _ON_FILES and words[-1] is None)


def _matches_nothing(each: ScriptCall, files: Packages | None) -> bool:
    """Return True if the command's files match a pattern that no file of a new system matches."""
    globs = [word for word in each.call.words if word and word.startswith("/") and is_glob(word)]
    return (
        bool(globs) and each.call.name in _ON_FILES and all(Files(files).glob(word) == [] for word in globs)
    )


def _is_passing(each: ScriptCall) -> bool:
    """Return True if all paths among the words of a call are below folders that do not matter."""
    paths = [word for word in each.call.words[1:] if word and word.startswith("/")]
    return bool(paths) and all(_PASSING.match(path) for path in paths)

"""The parts of maintainer scripts that Notos does not do, by package.

A command counts if it could change a new system and no mechanism does its work. Commands that only print,
read or test, that start services, or that serve dpkg and other init systems have no effect here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from notos.architecture import Architecture
from notos.debian.maintainer_scripts import ScriptCall
from notos.integration import accounts, alternatives, diversions, pam, permissions, setuid, texts
from notos.integration.model import Installed

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
: [ [[ alias awk aa-enabled aa-status basename bc cat cd chronyd cksum cmp command comm cut date df diff
dirname dpkg dpkg-query dpkg-realpath dpkg-vendor echo egrep env expr false fgrep find fold getent grep
groups gawk hash head hostname id ischroot journalctl ldd locale logger ls lsb_release mawk md5sum mktemp
mountpoint netstat nproc paste pgrep pidof printf ps pwd read readlink realpath sed seq sha256sum shopt
sleep sort ss stat sync tac tail tee test tput tr true trap tty type ulimit umask uname uniq wait wc which
xargs ypcat ypwhich yes zcat
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
glib-compile-schemas gtk-query-immodules-3.0 gtk-update-icon-cache ldconfig lspci modprobe py3clean py3compile
py3versions pypy3compile remove-shell restorecon systemd-machine-id-setup systemd-sysusers
systemd-tmpfiles ucf ucfr update-ca-certificates update-desktop-database update-gtk-immodules
update-icon-caches update-initramfs update-locale update-menus update-mime-database update-shells
"""
_SILENT = frozenset(f"{_HARMLESS} {_SERVICES} {_PACKAGING} {_NATIVE}".split())

# Packages whose scripts set up the base of a system, which Notos does itself.
_BASE = """
base-files base-passwd bash ca-certificates dash kmod libc-bin libc6 locales mawk openssh-server passwd runit
tzdata
"""
# Libraries of functions whose effects are known.
_SOURCED = ("/usr/share/debconf/confmodule", "/usr/share/debconf/confmodule.sh")
# Files that do not matter after a boot, that no program of the machine reads, or of system/databases.py.
_PASSING = re.compile(
    r"/(?:dev|proc|sys|tmp|run|var/run|var/log|var/tmp|var/backups|etc/apparmor\.d)/|.*\.dpkg-"
    r"|/usr/lib/.*/(?:giomodule|immodules|loaders)\.cache"
)
_LONGEST = 100  # characters of a command


@dataclass(frozen=True)
class NotDone:
    """A command of a package's script that is not done; `text` is its source, or a reason."""

    package: str
    script: str
    text: str

    def __str__(self) -> str:
        return f"{self.script} of {self.package} {self.text}, which is not done"


def find(packages: Iterable[Installed], target: Architecture) -> Iterator[NotDone]:
    """Yield the commands of the packages' scripts that are not done, each once. Raises PackageError."""
    for package in packages:
        if package.name in _BASE.split():
            continue
        found, unread = package.scripts(target)
        seen: dict[tuple[str, str], None] = {}
        for each in unread:
            seen[each.script, f"is not understood ({each.reason})"] = None
        for call in found:
            if text := _text(call):
                seen[call.script, text] = None
        yield from (NotDone(package.name, script, text) for script, text in seen)


def _text(each: ScriptCall) -> str:
    """Return a call that is not done as the end of a sentence, "" for others."""
    call = each.call
    name = call.name
    written = [path for path in call.writes if path is None or not _PASSING.match(path)]
    if written and texts.understood(each):
        return ""
    if written and each.script != "config":
        return f"writes {', '.join(path or 'a file' for path in dict.fromkeys(written))}"
    if each.script == "config" and name not in _DECIDED:
        return ""  # questions
    if name in _SILENT or name.startswith("db_"):
        return ""
    source = call.words[1] if call.words[1:] else None
    if name == "." and (source is None or source.startswith("/etc/") or source in _SOURCED):
        return ""
    if name in ("cp", "mv") and not call.certain and not (source or "").startswith("/usr/share/"):
        return ""  # files of an earlier version
    if name in _DECIDED and _DECIDED[name](each):
        return ""
    if _is_passing(each):
        return ""
    text = call.text if len(call.text) <= _LONGEST else f"{call.text[:_LONGEST]}…"
    return f"calls {text}"


def _is_passing(each: ScriptCall) -> bool:
    """Return True if all paths among the words of a call are below folders that do not matter."""
    paths = [word for word in each.call.words[1:] if word and word.startswith("/")]
    return bool(paths) and all(_PASSING.match(path) for path in paths)

"""The machine's /etc as a tree: packages' defaults, accounts, files of the features and the config.

It is mounted read-only below a writable overlay. A store object only has the modes 0444 and 0555, so other
modes are listed separately, and the activation sets them.
"""

import json
import shlex
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from notos import errors
from notos.architecture import Architecture
from notos.errors import NotosError, ScriptError
from notos.features.model import Computed, Copy, EtcFile, Features, Link, Removal, Text
from notos.formats.tree import Directory, Entry, File, Symlink, Tree
from notos.integration import permissions
from notos.system import accounts, certificates, kept, library_cache, sysusers, usr, wrappers
from notos.system.state import Member

ETC_PERMISSIONS = permissions.ETC.removeprefix("usr/")
PLAIN, EXECUTABLE = {"0444", "0644"}, {"0555", "0755"}  # modes that need no entry in Etc.modes
STATE = ("reboot", "stopit")  # in /etc/runit; their modes select halt or reboot (runit(8))
MODES = {"shadow": "0600", "gshadow": "0600"}
_SHELLS = ("sh", "ash", "bash", "dash", "zsh", "fish", "ksh", "mksh", "tcsh")
_LISTED = "share/debianutils/shells.d/"
_SHADOW = "shadow"  # the group of programs that read these two files


@dataclass(frozen=True)
class Etc:
    """The tree of /etc, and the modes and owners that a store object cannot have, by path below /etc."""

    tree: Tree
    modes: Mapping[str, str]  # octal digits by path below /etc
    owners: Mapping[str, str]  # numbers of user and group ("33:33") by path below /etc


def build(
    features: Features,
    *,
    placed: Sequence[Member] = (),
    removed: Sequence[Removal] = (),
    packages: Tree,
    system: Tree,
    system_path: str,
    opt: Tree,
    target: Architecture,
    runit: Tree,
    runit_path: str,
    own: Path,
    keys: Mapping[str, tuple[str, ...]] = {},
) -> Etc:
    """Return /etc of the machine with `features`.

    `system` is the tree of /usr, `opt` that of /opt, `packages` and `system_path` are the tree and the store
    path of system-path, `runit` and `runit_path` those of the runit object; `placed` are further members of
    /etc, and `removed` are paths to leave out besides those of `features`; `own` is the folder
    scripts/stage2/etc, and `keys` are those of the config's files in /usr by absolute path.
    Later ones win: packages, features, files derived from packages, scripts, the config.

    Raises NotosError if a file of the config has the path of a folder or is below a file, or if a sysusers.d
    file or a certificate is invalid.
    """
    tree = Tree()
    filled = system.children()
    for path, entry in system.items():
        if path.startswith("etc/") and isinstance(entry, Directory):
            if not filled[path]:
                tree.directory(path.removeprefix("etc/"))
        elif path.startswith("etc/"):
            # A link to another place keeps its target: users and tools read /etc/alternatives/NAME.
            apart = isinstance(entry, Symlink) and entry.target.startswith("/")
            tree.add(path.removeprefix("etc/"), entry if apart else Symlink(f"{system_path}/{path}"))
    modes = dict(MODES)
    for file in features.etc:
        if not file.keys and not (file.yields and file.path in tree):
            _put(tree, modes, file, system, own)
    for path, derived in _derived(features, system):
        tree.replace(path, File(derived.encode()))
    kept.unlink(tree, placed, (each.path for each in features.etc if not each.keys))
    tree = usr.overlaid(tree, "/etc", placed, (*features.removed, *removed))
    configured = [file for file in features.etc if file.keys]
    errors.raise_all(_misplaced(configured, tree))
    for file in configured:
        _put(tree, modes, file, system, own)
    texts_of_accounts = _accounts(features, system, packages, tree)
    for account_file, lines in texts_of_accounts.items():
        tree.replace(account_file, File(lines.encode()))
    if "bin/newuidmap" in system:
        ranges = accounts.subordinate(texts_of_accounts["passwd"], features.users)
        for path in ("subuid", "subgid"):
            if path not in tree:
                tree.text(path, ranges)
    numbers = _Owners(texts_of_accounts)
    ours = {file.path for file in features.etc} | {member.path.removeprefix("/etc/") for member in placed}
    conf = text(tree, certificates.CONF) or text(packages, f"etc/{certificates.CONF}")
    for path, entry in (*certificates.files(system, conf, keys), *_libraries(tree, system, opt, target)):
        if path not in ours:
            tree.replace(path, entry)
    owners = _permissions(tree, packages, modes, numbers, ours)
    if any(each.group == _SHADOW for each in wrappers.table(system)):
        for name in MODES:
            modes[name], owners[name] = "0640", numbers.of("root", _SHADOW)
    for member in placed:
        path = member.path.removeprefix("/etc/")
        if isinstance(member.entry, File | Directory) and member.mode not in PLAIN | EXECUTABLE:
            modes[path] = member.mode
        if (member.owner, member.group) != ("root", "root"):
            owners[path] = numbers.of(member.owner, member.group)
    for part in runit.children()[""]:
        tree.symlink(f"runit/{part}", f"{runit_path}/{part}")
    for state in STATE:
        tree.text(f"runit/{state}", "")
    tree.symlink("service", "/run/service")
    tree.symlink("mtab", "/proc/self/mounts")
    return Etc(tree, modes, owners)


class _Owners:
    """The numbers of the machine's accounts: the activation sets owners before /etc has the names."""

    def __init__(self, accounts: Mapping[str, str]) -> None:
        users, groups = (
            [line.split(":") for line in accounts[kind].splitlines()] for kind in ("passwd", "group")
        )
        self._users = {name: uid for name, _, uid, *_ in users}
        self._own_groups = {user: gid for name, _, uid, gid, *_ in users for user in (name, uid)}
        self._groups = {name: gid for name, _, gid, *_ in groups}

    def of(self, owner: str, group: str) -> str:
        """Return UID:GID; "" if an account does not exist. An empty `group` is the owner's own (chown(1))."""
        uid = self._users.get(owner, owner)
        gid = self._groups.get(group, group) if group else self._own_groups.get(owner, uid)
        return f"{uid}:{gid}" if uid.isdigit() and gid.isdigit() else ""


def _permissions(
    tree: Tree, packages: Tree, modes: dict[str, str], numbers: _Owners, own: Container[str]
) -> dict[str, str]:
    """Return the owners of packages' files and folders, and add their modes to `modes`.

    The files are copied into `tree`, because a link has no mode. Files of features and the config (`own`) are
    not changed. The table is that of notos.integration.permissions.
    """
    table = packages.get(ETC_PERMISSIONS)
    if not isinstance(table, File):
        return {}
    owners = {}
    for path, (mode, owner, group) in json.loads(table.read()).items():
        entry = tree.get(path)
        if path in own or entry is None:
            continue
        packaged = packages.get(f"etc/{path}")
        if isinstance(entry, Symlink) and isinstance(packaged, File):
            tree.replace(path, packaged)
        elif isinstance(entry, Symlink):
            continue
        if number := numbers.of(owner, group):
            if number != "0:0":
                owners[path] = number
            if mode not in PLAIN | EXECUTABLE:
                modes[path] = mode
    return owners


def _put(tree: Tree, modes: dict[str, str], file: EtcFile, system: Tree, own: Path) -> None:
    """Put `file` into `tree`, and its mode into `modes` if a store object cannot hold it."""
    match file.content:
        case Link(target):
            if file.path not in tree:
                tree.symlink(file.path, target)
            return
        case Text(text):
            content: bytes | Path = text.encode()
        case Copy(source):
            content = own / source
            if not content.is_file():
                raise ScriptError(f"{content} is missing", hint="restore it: git checkout scripts")
        case Computed(function, arguments):
            content = function(system, **arguments).encode()
    tree.replace(file.path, File(content, executable=file.mode in EXECUTABLE))
    if file.mode not in PLAIN | EXECUTABLE:
        modes[file.path] = file.mode


def _misplaced(configured: Iterable[EtcFile], tree: Tree) -> Iterator[NotosError]:
    """Yield an error for each file of the config whose path conflicts with `tree`, which has all others."""
    for file in configured:
        path = file.path
        if isinstance(tree.get(path), Directory):
            below = sorted(name for name, _ in tree.items() if name.startswith(f"{path}/"))
            content = f"with {below[0].rpartition('/')[2]} and others in it" if below else "of a package"
            yield NotosError(
                f"/etc/{path} is a folder, {content}",
                hint=f"name a file in it: {path}/NAME",
                keys=file.keys,
            )
        parts = path.split("/")
        for above in ("/".join(parts[:length]) for length in range(1, len(parts))):
            if above in tree and not isinstance(tree.get(above), Directory):
                yield NotosError(
                    f"/etc/{path} lies below /etc/{above}, which is a file",
                    hint="rename the file",
                    keys=file.keys,
                )


def texts(tree: Tree, system: Tree, folder: str) -> dict[str, str]:
    """Return the *.conf files of `folder` (sysusers.d, tmpfiles.d) by name; /etc overrides /usr/lib.

    A link to /dev/null in /etc masks a file. Bytes that are not UTF-8 become surrogate escapes.
    """
    found: dict[str, str] = {}
    for prefix, source in ((f"lib/{folder}/", system), (f"{folder}/", tree)):
        for path, entry in source.items():
            name = path.removeprefix(prefix)
            if not path.startswith(prefix) or not name.endswith(".conf") or "/" in name:
                continue
            entries = [entry]
            if isinstance(entry, Symlink):
                if entry.target == "/dev/null":
                    found.pop(name, None)
                    continue
                # A file in a package's /etc is a link to system-path.
                if (packaged := system.get(f"etc/{path}")) is not None:
                    entries.append(packaged)
            for each in entries:
                if isinstance(each, File):
                    found[name] = each.read().decode("utf-8", "surrogateescape")
    return found


def _libraries(tree: Tree, system: Tree, opt: Tree, target: Architecture) -> Iterator[tuple[str, Entry]]:
    """Yield the cache of libraries if the machine needs one."""
    name = "ld.so.conf"
    files = {f"etc/{name}.d/{path}": each for path, each in texts(tree, system, f"{name}.d").items()}
    if whole := text(tree, name) or text(system, f"etc/{name}"):
        files[f"etc/{name}"] = whole
    if not library_cache.is_needed(system, opt, files, target):
        return
    root = system.as_usr()
    if len(opt):
        root.graft("opt", opt)
    yield library_cache.PATH, File(library_cache.build(root, files, target))


def text(tree: Tree, path: str) -> str:
    """Return the text of the file at `path` below /etc, "" without one."""
    entry = tree.get(path)
    return entry.read().decode("utf-8", "surrogateescape") if isinstance(entry, File) else ""


def release(tree: Tree) -> dict[str, str]:
    """Return the fields of /etc/os-release (os-release(5))."""
    rows = (line.partition("=") for line in text(tree, "os-release").splitlines())
    return {name: _unquoted(value) for name, equals, value in rows if equals}


def _unquoted(value: str) -> str:
    """Return a value of os-release(5); as systemd does, one with an open quote as it is."""
    try:
        return "".join(shlex.split(value)[:1])
    except ValueError:
        return value


def _accounts(features: Features, system: Tree, packages: Tree, tree: Tree) -> dict[str, str]:
    """Return the account files by name. A sysusers.d file of a package or the config replaces a feature's."""
    lines = {**features.accounts, **texts(tree, system, "sysusers.d")}
    base = {name: _base(packages, name) for name in ("passwd", "group")}
    made = sysusers.accounts(lines, passwd=base["passwd"], group=base["group"], release=release(tree))
    made = replace(made, passwd=accounts.with_shells(made.passwd, system))
    made = accounts.added(made, features.users, features.groups, system)
    return {"passwd": made.passwd, "group": made.group, "shadow": made.shadow, "gshadow": made.gshadow}


def _base(packages: Tree, name: str) -> str:
    entry = packages.get(f"share/base-passwd/{name}.master")
    assert isinstance(entry, File), "every machine has base-passwd"
    return entry.read().decode()


def _packages_shells(system: Tree) -> Iterator[str]:
    """Yield the shells that packages list for update-shells(8), as Debian does since bookworm."""
    for path, entry in system.items():
        if path.startswith(_LISTED) and isinstance(entry, File):
            text = entry.read().decode(errors="replace")
            lines = (line.partition("#")[0].strip() for line in text.splitlines())
            yield from (line for line in lines if line.startswith("/"))


def _derived(features: Features, system: Tree) -> Iterator[tuple[str, str]]:
    """Yield paths and texts of the files that are derived from the packages and accounts."""
    known = [f"/bin/{name}" for name in _SHELLS if f"bin/{name}" in system]
    shells = dict.fromkeys([*known, *_packages_shells(system), *accounts.shells(features.users)])
    yield "shells", "".join(f"{shell}\n" for shell in shells if not shell.endswith("/nologin"))

"""Differences between two systems, from their toplevels: files in /etc, accounts, packages, services.

The differences determine the services that a switch stops and starts. Nothing here connects to a machine.
"""

import hashlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from notos.formats.tree import Directory, Entry, File, Symlink, Tree

# Boot fragments that may run again at any time, and the files below /etc that they read.
REPEATABLE: Mapping[str, Sequence[str]] = {
    "10-hostname": ("hosts", "hostname"),
    "11-resolv-conf": ("resolv.conf",),
    "40-ssh-keys": ("ssh/authorized_keys.d/*",),
    "50-ssh-host-key-dropbear": (),
    "50-ssh-host-key-openssh": (),
}
_ACCOUNTS = ("passwd", "group", "shadow", "gshadow")
_STORE = re.compile(r"/nix/store/[0-9a-z]{32}-")
_OWN = re.compile(r"(?:15|30)-[0-9]{3}-")  # fragments that run the scripts of the config
# Those of all kinds: the kind, and the script's name after its place in the order.
_FRAGMENT = re.compile(r"(boot/15-|boot/30-|post-boot/|with-services/)[0-9]{3}-(.+)")
_MOST_SHOWN = 8


@dataclass(frozen=True)
class System:
    """A toplevel: its store path, its tree, and what it links to.

    runit   the tree of its runit object
    state   the rows of its initial state by path (system/state.py)
    files   the tree of its object with files of /usr and /opt (system/usr.py)
    """

    path: str
    toplevel: Tree
    runit: Tree
    state: Mapping[str, str] = field(default_factory=dict)
    files: Tree = field(default_factory=Tree)

    @property
    def usr(self) -> str:
        """The store path of the system's /usr."""
        return link(self.toplevel, "sw")

    @property
    def opt(self) -> str:
        """The store path of the folder whose entries /opt links to; "" if there is none."""
        return link(self.toplevel, "opt")

    @property
    def system_path(self) -> str:
        """The store path of system-path, to which links of /usr may lead."""
        return link(self.toplevel, "system-path") or self.usr

    @property
    def services(self) -> list[str]:
        """The names of the system's services."""
        return self.runit.children().get("services", [])


@dataclass(frozen=True)
class Delta:
    """Names that were added, removed and changed."""

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.added, *self.removed, *self.changed]

    def __str__(self) -> str:
        parts = (("added", self.added), ("removed", self.removed), ("changed", self.changed))
        return "; ".join(f"{word} {shortened(names)}" for word, names in parts if names)


@dataclass(frozen=True)
class Changes:
    """The differences between two systems; `restarted` has the reason for each restarted service."""

    etc: Delta
    state: Delta
    users: Delta
    packages: Delta
    usr: bool
    opt: Delta
    services: Delta
    restarted: Mapping[str, str] = field(default_factory=dict)
    again: Sequence[str] = ()  # boot fragments that run again
    at_boot: Sequence[str] = ()  # changes that take effect at the next boot

    @property
    def stop(self) -> list[str]:
        """The services of the old system that the switch stops."""
        return sorted([*self.services.removed, *self.restarted])

    @property
    def start(self) -> list[str]:
        """The services of the new system that the switch starts."""
        return sorted([*self.services.added, *self.restarted])

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the differences for the user, each a heading and a text."""
        if self.etc:
            yield "/etc", str(self.etc)
        if self.state:
            yield "initial state", str(self.state)
        if self.users:
            yield "accounts", str(self.users)
        if self.packages:
            yield "packages", str(self.packages)
        elif self.usr:
            yield "/usr", "different files of the same packages"
        if self.opt:
            yield "/opt", str(self.opt)
        if self.services:
            yield "services", str(self.services)
        if self.at_boot:
            yield "next boot", ", ".join(self.at_boot)

    def steps(self) -> Iterator[tuple[str, str]]:
        """Yield further steps of a switch, each a heading and a text."""
        if self.restarted:
            yield "restart", ", ".join(f"{name} ({why})" for name, why in sorted(self.restarted.items()))
        if self.again:
            yield "run again", ", ".join(self.again)


def link(tree: Tree, path: str) -> str:
    """Return the target of the link at `path`; "" if there is none."""
    entry = tree.get(path)
    return entry.target if isinstance(entry, Symlink) else ""


def between(old: System, new: System, replaced: Mapping[str, Iterable[str]]) -> Changes:
    """Return the differences.

    `replaced` has the changed files of /usr and /opt by the service that uses them, as absolute paths.
    """
    etc = _delta(_etc(old.toplevel), _etc(new.toplevel))
    state = _delta(old.state, new.state)
    files = placed(old, new)
    touched = [*(f"/etc/{path}" for path in etc.names), *files.names, *state.names]
    services = _delta(_services(old), _services(new))
    restarted = dict.fromkeys(services.changed, "its files")
    for name in sorted({*old.services} & {*new.services} - restarted.keys()):
        if why := _reason(name, new, touched, sorted(replaced.get(name, ()))):
            restarted[name] = why
    fragments = _delta(_below(old.runit, "boot/"), _below(new.runit, "boot/"))
    stages = [
        name for name in ("1", "2", "3", "ctrlaltdel", "environment") if _differs(old.runit, new.runit, name)
    ]
    again = [
        name
        for name, reads in REPEATABLE.items()
        if name in (*fragments.added, *fragments.changed)
        or (f"boot/{name}" in new.runit and any(_matches(path, reads) for path in touched))
    ]
    own = _delta(_own_scripts(old.runit), _own_scripts(new.runit))
    at_boot = [
        *(f"boot.{name}" for name in (*own.added, *own.changed)),
        *(f"boot.{name} (removed)" for name in own.removed),
        *(
            f"boot/{name}"
            for name in (*fragments.added, *fragments.changed)
            if name not in REPEATABLE and not _OWN.match(name)
        ),
        *(f"runit/{name}" for name in stages),
    ]
    if link(old.toplevel, "kernel-modules") != link(new.toplevel, "kernel-modules"):
        at_boot.append("kernel modules")
    if link(old.toplevel, "init") != link(new.toplevel, "init"):
        at_boot.append("stage 2")
    accounts = _delta(_accounts(old.toplevel), _accounts(new.toplevel))
    shown = Delta(
        *(
            [path for path in names if path not in _ACCOUNTS]
            for names in (etc.added, etc.removed, etc.changed)
        )
    )
    return Changes(
        etc=shown,
        state=state,
        users=accounts,
        packages=_packages(old.toplevel, new.toplevel),
        usr=old.usr != new.usr,
        opt=_opt(files),
        services=services,
        restarted=restarted,
        again=again,
        at_boot=at_boot,
    )


def _own_scripts(runit: Tree) -> dict[str, str]:
    """Return the scripts of the config's `boot` by name: their texts, and the fragments that run them.

    The kind of a script (`when`) is the folder of its fragment. Those of stage-1 are not in the toplevel.
    """
    found = _below(runit, "scripts/")
    for path, content in _below(runit, "").items():
        if (fragment := _FRAGMENT.fullmatch(path)) and fragment[2] in found:
            found[fragment[2]] += f" {fragment[1]} {content}"
    return found


def placed(old: System, new: System) -> Delta:
    """Return the differences between the objects with files of /usr and /opt, as absolute paths.

    Byte code is left out, because it changes with its source.
    """
    before, after = (
        {
            f"/{path}": content
            for path, content in _below(each.files, "").items()
            if "/__pycache__/" not in path
        }
        for each in (old, new)
    )
    return _delta(before, after)


def _opt(files: Delta) -> Delta:
    """Return the paths below /opt, relative to it."""
    return Delta(
        *(
            [path.removeprefix("/opt/") for path in names if path.startswith("/opt/")]
            for names in (files.added, files.removed, files.changed)
        )
    )


def shortened(names: Sequence[str]) -> str:
    """Return the names as a list in prose, cut after the first eight."""
    shown = ", ".join(names[:_MOST_SHOWN])
    return f"{shown} and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else shown


def _reason(name: str, new: System, touched: Iterable[str], replaced: Sequence[str]) -> str:
    """Return why a service with unchanged files must restart; "" if it need not."""
    entry = new.runit.get(f"services/{name}/reads")
    reads = entry.read().decode().split("\n") if isinstance(entry, File) else []
    return shortened([path for path in touched if _matches(path, reads)] or replaced)


def _services(system: System) -> dict[str, dict[str, str]]:
    return {name: _below(system.runit, f"services/{name}/") for name in system.services}


def _etc(toplevel: Tree) -> dict[str, str]:
    """Return the content and mode at each path of /etc, without runit/, which its own object has."""
    permissions = toplevel.get("permissions")
    commands = os.fsdecode(permissions.read()) if isinstance(permissions, File) else ""
    special: dict[str, str] = {}
    for command in commands.splitlines():  # chmod MODE PATH…, chown -h OWNER PATH…
        words = [each for each in shlex.split(command) if each != "-h"]
        for word in words[2:]:
            path = word.removeprefix("$etc/")
            special[path] = f"{special.get(path, '')} {words[1]}"
    found = _below(toplevel, "etc/")
    return {
        path: f"{content} {special.get(path, '')}"
        for path, content in found.items()
        if not path.startswith("runit/")
    }


def _below(tree: Tree, prefix: str) -> dict[str, str]:
    return {
        path.removeprefix(prefix): _content(entry)
        for path, entry in tree.items()
        if path.startswith(prefix) and not isinstance(entry, Directory)
    }


def _content(entry: Entry | None) -> str:
    """Return a text that is equal for equal entries; store hashes in link targets are ignored."""
    if isinstance(entry, File):
        digest = hashlib.sha256()
        for piece in entry.chunks():
            digest.update(piece)
        return f"file {entry.executable} {digest.hexdigest()}"
    if isinstance(entry, Symlink):
        return f"link {_STORE.sub('', entry.target)}"
    return "" if entry is None else "folder"


def _differs(old: Tree, new: Tree, path: str) -> bool:
    return _content(old.get(path)) != _content(new.get(path))


def _accounts(toplevel: Tree) -> dict[str, str]:
    """Return the lines of users and groups, by "user NAME" and "group NAME"."""
    found = {}
    for file, kind in (("passwd", "user"), ("group", "group")):
        entry = toplevel.get(f"etc/{file}")
        for line in entry.read().decode().splitlines() if isinstance(entry, File) else ():
            found[f"{kind} {line.partition(':')[0]}"] = line
    return found


def _packages(old: Tree, new: Tree) -> Delta:
    before, after = (_versions(tree) for tree in (old, new))
    if not before or not after:  # a toplevel of an earlier Notos, without a list of packages
        return Delta()
    names = _delta(before, after)
    return Delta(
        [f"{name} {after[name]}" for name in names.added],
        names.removed,
        [f"{name} {before[name]} to {after[name]}" for name in names.changed],
    )


def _versions(toplevel: Tree) -> dict[str, str]:
    entry = toplevel.get("packages")
    text = entry.read().decode() if isinstance(entry, File) else ""
    return dict(line.split(" ", 1) for line in text.splitlines())


def _delta(before: Mapping[str, object], after: Mapping[str, object]) -> Delta:
    return Delta(
        [name for name in sorted(after) if name not in before],
        [name for name in sorted(before) if name not in after],
        [name for name in sorted(after) if name in before and before[name] != after[name]],
    )


def _matches(path: str, patterns: Iterable[str]) -> bool:
    """Return True if an absolute path matches a pattern; one without a first slash is below /etc."""
    return any(pattern and fnmatchcase(path, os.path.join("/etc", pattern)) for pattern in patterns)

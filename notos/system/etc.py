"""The machine's /etc as a tree: packages' defaults, accounts, files of the features and the config.

It is mounted read-only below a writable overlay. A store object only has the modes 0444 and 0555, so other
modes are listed separately, and the activation sets them.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from notos import errors
from notos.errors import NotosError, ScriptError
from notos.features.model import Computed, Copy, EtcFile, Features, Link, Text
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.system import ca_bundle, sysusers

PLAIN, EXECUTABLE = {"0444", "0644"}, {"0555", "0755"}  # modes that need no entry in Etc.modes
STATE = ("reboot", "stopit")  # in /etc/runit; their modes select halt or reboot (runit(8))
MODES = {"shadow": "0600", "gshadow": "0600"}


@dataclass(frozen=True)
class Etc:
    """The tree of /etc, and the modes that a store object cannot have."""

    tree: Tree
    modes: Mapping[str, str]  # octal digits by path below /etc


def build(
    features: Features, *, system: Tree, system_path: str, runit: Tree, runit_path: str, own: Path
) -> Etc:
    """Return /etc of the machine with `features`.

    `system` is system-path's tree and `system_path` its store path, `runit` and `runit_path` those of
    the runit object; `own` is the folder scripts/stage2/etc. Later ones win: packages, features, files
    derived from packages, the config. Raises NotosError if a file of the config has the path of a folder or
    is below a file, or if a sysusers.d file is invalid.
    """
    tree = Tree()
    for path, entry in system.items():
        if path.startswith("etc/") and not isinstance(entry, Directory):
            tree.symlink(path.removeprefix("etc/"), f"{system_path}/{path}")
    modes = dict(MODES)
    for file in features.etc:
        if not file.keys:
            _put(tree, modes, file, system, own)
    for path, text in _derived(system):
        tree.replace(path, File(text.encode()))
    configured = [file for file in features.etc if file.keys]
    errors.raise_all(_misplaced(configured, tree))
    for file in configured:
        _put(tree, modes, file, system, own)
    for account_file, text in _accounts(features, system, tree).items():
        tree.replace(account_file, File(text.encode()))
    for part in runit.children()[""]:
        tree.symlink(f"runit/{part}", f"{runit_path}/{part}")
    for state in STATE:
        tree.text(f"runit/{state}", "")
    tree.symlink("service", "/run/service")
    tree.symlink("mtab", "/proc/self/mounts")
    return Etc(tree, modes)


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
            (first, *_) = sorted(name for name, _ in tree.items() if name.startswith(f"{path}/"))
            yield NotosError(
                f"/etc/{path} is a folder, with {first.rpartition('/')[2]} and others in it",
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


def text(tree: Tree, path: str) -> str:
    """Return the text of the file at `path` below /etc, "" without one."""
    entry = tree.get(path)
    return entry.read().decode("utf-8", "surrogateescape") if isinstance(entry, File) else ""


def release(tree: Tree) -> dict[str, str]:
    """Return the fields of /etc/os-release (os-release(5))."""
    rows = (line.partition("=") for line in text(tree, "os-release").splitlines())
    return {name: "".join(shlex.split(value)[:1]) for name, equals, value in rows if equals}


def _accounts(features: Features, system: Tree, tree: Tree) -> dict[str, str]:
    """Return the account files by name. A sysusers.d file of a package or the config replaces a feature's."""
    lines = {**features.accounts, **texts(tree, system, "sysusers.d")}
    shell = "/bin/bash" if "bin/bash" in system else "/bin/sh"
    passwd = _base(system, "passwd").replace(":/root:/bin/bash", f":/root:{shell}")
    made = sysusers.accounts(lines, passwd=passwd, group=_base(system, "group"), release=release(tree))
    return {"passwd": made.passwd, "group": made.group, "shadow": made.shadow, "gshadow": made.gshadow}


def _base(system: Tree, name: str) -> str:
    entry = system.get(f"share/base-passwd/{name}.master")
    assert isinstance(entry, File), "every machine has base-passwd"
    return entry.read().decode()


def _derived(system: Tree) -> Iterator[tuple[str, str]]:
    """Yield paths and texts of the files that are derived from the packages alone."""
    known = [name for name in ("sh", "ash", "bash", "dash") if f"bin/{name}" in system]
    yield "shells", "".join(f"/bin/{name}\n" for name in known)
    if bundle := ca_bundle.bundle(system):
        yield "ssl/certs/ca-certificates.crt", bundle

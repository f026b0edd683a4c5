"""The toplevel: the store object that links to all parts of the running system.

init            link to stage-2's init; stage-1 finds it by the kernel's systemConfig=
activate        makes this toplevel the running system
etc/            the machine's /etc; permissions has the modes that a store object cannot have
copy-state      copies the initial state to writable folders
state           link to the initial state, if the system has one (state.py)
homes           a shell fragment that creates home folders, if there are any
sysctl          settings of the kernel from files of sysctl.d, if there are any (sysctl_files.py)
tmpfiles        a shell fragment that creates run-time folders
wrappers        a shell fragment that copies setuid programs; only if the machine has some
name            the config's name, by which `./doit switch` identifies the machine
packages        names and versions of the packages in sw
sw              link to /usr: system-path, or its copy with files of the config (usr.py)
system-path     link to system-path
opt             link to a folder whose entries are linked to in /opt, if there are any
kernel-modules  link to the modules of the running system
"""

import os
import shlex
from collections.abc import Mapping

from notos.formats.tree import File, Tree
from notos.store.store import StoreObject
from notos.system import wrappers
from notos.system.etc import Etc, release, text, texts
from notos.system.tmpfiles import Accounts, script

NAME = "toplevel"


def build(
    etc: Etc,
    *,
    tmpfiles: str,
    name: str,
    system: Tree,
    system_path: StoreObject,
    usr: str,
    opt: str,
    stage2: StoreObject,
    modules: StoreObject,
    state: StoreObject | None,
    packages: Mapping[str, str],
    homes: str,
    sysctl: str = "",
) -> Tree:
    """Return the toplevel's tree for the machine `name`.

    `tmpfiles` is the fragment for tmpfiles.d; `system` is /usr's tree and `usr` its store path; `opt` is the
    store path of a folder for /opt, if any; `state` is the initial state, if it has any; `packages` are
    versions by package name; `homes` is the fragment that creates home folders; `sysctl` is
    the table of sysctl_files.py.
    """
    tree = Tree()
    tree.graft("etc", etc.tree)
    tree.file("permissions", os.fsencode(_permissions(etc)))
    if fragment := wrappers.fragment(system, {name: text(etc.tree, name) for name in ("passwd", "group")}):
        tree.text("wrappers", fragment)
    tree.add("tmpfiles", File(tmpfiles.encode("utf-8", "surrogateescape")))
    if homes:
        tree.text("homes", homes)
    if sysctl:
        tree.add("sysctl", File(sysctl.encode("utf-8", "surrogateescape")))
    tree.text("name", f"{name}\n")
    tree.text("packages", "".join(f"{name} {packages[name]}\n" for name in sorted(packages)))
    tree.symlink("init", f"{stage2.path}/init")
    tree.symlink("activate", f"{stage2.path}/activate")
    tree.symlink("copy-state", f"{stage2.path}/copy-state")
    if state is not None:
        tree.symlink("state", state.path)
    tree.symlink("sw", usr)
    tree.symlink("system-path", system_path.path)
    if opt:
        tree.symlink("opt", opt)
    tree.symlink("kernel-modules", modules.path)
    return tree


def tmpfiles_fragment(etc: Tree, system: Tree) -> str:
    """Return the fragment for the files of tmpfiles.d, with the accounts of /etc.

    `etc` is its tree, `system` that of /usr. Raises NotosError for invalid lines.
    """
    rows = {name: [row.split(":") for row in text(etc, name).splitlines()] for name in ("passwd", "group")}
    users, groups = ({row[0]: row[2] for row in rows[name] if len(row) > 2} for name in ("passwd", "group"))
    files = texts(etc, system, "tmpfiles.d")
    return script(files, accounts=Accounts(users, groups), release=release(etc))


def _permissions(etc: Etc) -> str:
    """Return one command for each mode and owner, because each is a fork; paths are below "$etc".

    Owners come first: chown(2) clears the bits for setuid and setgid.
    """
    lines = []
    for command, values in (("chown -h", etc.owners), ("chmod", etc.modes)):
        for value in sorted(set(values.values())):
            paths = (f'"$etc"/{shlex.quote(path)}' for path in sorted(values) if values[path] == value)
            lines.append(f"{command} {value} {' '.join(paths)}\n")
    return "".join(lines)

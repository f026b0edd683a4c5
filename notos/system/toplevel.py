"""The toplevel: the store object that links to all parts of the running system.

init            link to stage-2's init; stage-1 finds it by the kernel's systemConfig=
activate        makes this toplevel the running system
etc/            the machine's /etc; permissions has the modes that a store object cannot have
tmpfiles        a shell fragment that creates run-time folders
wrappers        a shell fragment that copies setuid programs; only if the machine has some
name            the config's name, by which `./doit switch` identifies the machine
packages        names and versions of the packages in sw
sw              link to system-path, which is /usr
kernel-modules  link to the modules of the running system
"""

import shlex
from collections.abc import Mapping

from notos.formats.tree import File, Tree
from notos.store.store import StoreObject
from notos.system import tmpfiles, wrappers
from notos.system.etc import Etc, texts

NAME = "toplevel"


def build(
    etc: Etc,
    *,
    name: str,
    system: Tree,
    system_path: StoreObject,
    stage2: StoreObject,
    modules: StoreObject,
    packages: Mapping[str, str],
) -> Tree:
    """Return the toplevel's tree for the machine `name`.

    `system` is system-path's tree; `packages` are versions by package name. Raises NotosError for an invalid
    tmpfiles.d file.
    """
    tree = Tree()
    tree.graft("etc", etc.tree)
    tree.text("permissions", _permissions(etc))
    accounts = {name: _text(etc.tree, name) for name in ("passwd", "group")}
    if fragment := wrappers.fragment(system, accounts):
        tree.text("wrappers", fragment)
    tree.text("tmpfiles", tmpfiles.script(texts(etc.tree, system, "tmpfiles.d")))
    tree.text("name", f"{name}\n")
    tree.text("packages", "".join(f"{name} {packages[name]}\n" for name in sorted(packages)))
    tree.symlink("init", f"{stage2.path}/init")
    tree.symlink("activate", f"{stage2.path}/activate")
    tree.symlink("sw", system_path.path)
    tree.symlink("kernel-modules", modules.path)
    return tree


def _text(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    return entry.read().decode() if isinstance(entry, File) else ""


def _permissions(etc: Etc) -> str:
    """Return one command for each mode and owner, because each is a fork; paths are below "$etc".

    Owners come first: chown(1) clears setuid and setgid.
    """
    lines = []
    for command, values in (("chown", etc.owners), ("chmod", etc.modes)):
        for value in sorted(set(values.values())):
            paths = (f'"$etc"/{shlex.quote(path)}' for path in sorted(values) if values[path] == value)
            lines.append(f"{command} {value} {' '.join(paths)}\n")
    return "".join(lines)

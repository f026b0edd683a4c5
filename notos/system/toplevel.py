"""The toplevel: the store object that links to all parts of the running system.

init            link to stage-2's init; stage-1 finds it by the kernel's systemConfig=
activate        makes this toplevel the running system
etc/            the machine's /etc; permissions has the modes that a store object cannot have
tmpfiles        a shell fragment that creates run-time folders
name            the config's name, by which `./doit switch` identifies the machine
packages        names and versions of the packages in sw
sw              link to system-path, which is /usr
kernel-modules  link to the modules of the running system
"""

import shlex
from collections.abc import Mapping

from notos.formats.tree import File, Tree
from notos.store.store import StoreObject
from notos.system import tmpfiles
from notos.system.etc import Etc, release, text, texts

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
    tree.add("tmpfiles", File(_tmpfiles(etc.tree, system).encode("utf-8", "surrogateescape")))
    tree.text("name", f"{name}\n")
    tree.text("packages", "".join(f"{name} {packages[name]}\n" for name in sorted(packages)))
    tree.symlink("init", f"{stage2.path}/init")
    tree.symlink("activate", f"{stage2.path}/activate")
    tree.symlink("sw", system_path.path)
    tree.symlink("kernel-modules", modules.path)
    return tree


def _tmpfiles(etc: Tree, system: Tree) -> str:
    """Return the fragment for the files of tmpfiles.d, with the accounts of /etc."""
    rows = {name: [row.split(":") for row in text(etc, name).splitlines()] for name in ("passwd", "group")}
    users, groups = ({row[0]: row[2] for row in rows[name] if len(row) > 2} for name in ("passwd", "group"))
    files = texts(etc, system, "tmpfiles.d")
    return tmpfiles.script(files, accounts=tmpfiles.Accounts(users, groups), release=release(etc))


def _permissions(etc: Etc) -> str:
    """Return one chmod for each mode, because each command is a fork; paths are below "$etc"."""
    lines = []
    for mode in sorted(set(etc.modes.values())):
        paths = (f'"$etc"/{shlex.quote(path)}' for path in sorted(etc.modes) if etc.modes[path] == mode)
        lines.append(f"chmod {mode} {' '.join(paths)}\n")
    return "".join(lines)

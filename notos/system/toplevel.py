"""The toplevel: one store object from which everything of the running system is reached.

init            link to stage-2's init, which the kernel's systemConfig= leads stage-1 to
activate        makes this toplevel the running system
etc/            the machine's /etc; etc-modes says which files have modes of their own
tmpfiles        a shell fragment that makes run-time folders
name            the config's name, by which `./doit switch` knows the machine
packages        the names and versions of what sw is made of
sw              link to system-path, which is /usr
kernel-modules  link to the modules of the running system
"""

import shlex
from collections.abc import Mapping

from notos.formats.tree import Tree
from notos.store.store import StoreObject
from notos.system import tmpfiles
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
    """The tree of the toplevel of the machine `name`.

    `system` is system-path's own tree, `packages` has the packages' versions by name. Raises NotosError
    (tmpfiles.d).
    """
    tree = Tree()
    tree.graft("etc", etc.tree)
    tree.text("permissions", _permissions(etc))
    tree.text("tmpfiles", tmpfiles.script(texts(etc.tree, system, "tmpfiles.d")))
    tree.text("name", f"{name}\n")
    tree.text("packages", "".join(f"{name} {packages[name]}\n" for name in sorted(packages)))
    tree.symlink("init", f"{stage2.path}/init")
    tree.symlink("activate", f"{stage2.path}/activate")
    tree.symlink("sw", system_path.path)
    tree.symlink("kernel-modules", modules.path)
    return tree


def _permissions(etc: Etc) -> str:
    """One chmod for each mode, for each is a fork; paths are below "$etc"."""
    lines = []
    for mode in sorted(set(etc.modes.values())):
        paths = (f'"$etc"/{shlex.quote(path)}' for path in sorted(etc.modes) if etc.modes[path] == mode)
        lines.append(f"chmod {mode} {' '.join(paths)}\n")
    return "".join(lines)

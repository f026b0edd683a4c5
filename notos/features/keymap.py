"""The keymap of a keyboard at the machine's screen."""

from typing import TYPE_CHECKING

from notos.config.model import Glob, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.errors import PackageError
from notos.features.model import Computed, EtcFile, Feature, Script
from notos.kernel.requirements import Requirement

if TYPE_CHECKING:
    from notos.formats.tree import Tree

KEYS = ("keymap",)
CHECKS: Checks = {}

_PACKAGES = (
    Package(name=PackageName("kbd"), only=(Glob("usr/bin/loadkeys"),)),
    Package(name=PackageName("console-data"), only=(Glob("usr/share/keymaps/*"),)),
)
_FOLDER, _SUFFIX = "share/keymaps/", ".kmap.gz"
_INCLUDED = "/include/"  # parts of keymaps
_VT = Requirement("VT", "for `keymap`", keys=("keymap",))


def feature(machine: Machine) -> Feature:
    """Return loadkeys, the keymaps, and the boot fragment that loads the chosen one."""
    if machine.keymap is None:
        return Feature()
    return Feature(
        packages=_PACKAGES,
        requirements=(_VT,),
        scripts=(Script(path="boot/12-keymap", values={"keymap": machine.keymap}),),
        etc=(EtcFile(path="vconsole.conf", content=Computed(conf, {"keymap": machine.keymap})),),
    )


def conf(system: "Tree", keymap: str) -> str:
    """Return vconsole.conf(5). Raises PackageError if `system`, system-path's tree, lacks the keymap."""
    import difflib

    names = {
        path.rpartition("/")[2].removesuffix(_SUFFIX)
        for path, _ in system.items()
        if path.startswith(_FOLDER) and path.endswith(_SUFFIX) and _INCLUDED not in path
    }
    if keymap not in names:
        near = [each for each in sorted(names) if each.startswith(f"{keymap}-")][:3]
        near = near or difflib.get_close_matches(keymap, sorted(names), 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "look in the package console-data"
        raise PackageError(f"the keymap {keymap} does not exist", hint=hint, keys=("keymap",))
    return f"KEYMAP={keymap}\n"

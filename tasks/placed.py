"""The files that a config and its features put anywhere: in /usr, /opt and /etc, and writable copies."""

from typing import TYPE_CHECKING

from notos.features.files import KEPT
from notos.features.model import Copy, Folder, Link, Placed, Removal, Text
from tasks import programmed, project, scripted
from tasks.config import CACHE, FEATURES, MACHINE, manifest
from tasks.graph import Task, action
from tasks.inputs import recorded
from tasks.uptodate import Folders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notos.errors import NotosError
    from notos.formats.tree import Tree
    from notos.system.script_changes import Changes
    from notos.system.state import Member


@recorded
def state_files() -> tuple[Placed, ...]:
    """Return the features' files in writable folders."""
    return _files("state")


@recorded
def usr_files() -> tuple[Placed, ...]:
    """Return the features' files below /usr."""
    return _files("usr")


@recorded
def opt_files() -> tuple[Placed, ...]:
    """Return the features' files below /opt."""
    return _files("opt")


@recorded
def etc_files() -> tuple[Placed, ...]:
    """Return the features' files below /etc that have a mode or an owner of their own, and folders."""
    return _files("etc")


@recorded
def kept_folders() -> tuple[str, ...]:
    """Return the folders of /etc that the drive keeps, below /etc: the features have links to it."""
    links = ((each.path.removeprefix("/etc/"), each.content) for each in FEATURES.placed)
    return tuple(path for path, content in links if content == Link(f"{KEPT}/{path}"))


@recorded
def owners() -> tuple[Placed, ...]:
    """Return the features' files with their owners, without their contents."""
    return tuple(each._replace(content=Text("")) for each in FEATURES.placed)


def _files(area: str) -> tuple[Placed, ...]:
    if not FEATURES.placed:
        return ()
    from notos.system import placed

    return tuple(each for each in FEATURES.placed if placed.area(each.path) == area)


def sources(files: tuple[Placed, ...]) -> list[str]:
    """Return the files of this host that are copied by themselves."""
    return [each.content.source for each in files if isinstance(each.content, Copy)]


def folders(files: tuple[Placed, ...]) -> list[Folders]:
    """Return conditions for the folders of this host that are copied."""
    found = [each.content for each in files if isinstance(each.content, Folder) and each.content.source]
    return [Folders([each.source for each in found])] if found else []


def made_before() -> list[str]:
    """Return the manifests of the programs and of the changes by scripts."""
    return [*programmed.manifests(), *scripted.manifests()]


def files_tree(system: "Tree") -> "Tree":
    """Return the tree of /usr, of packages and of files, with etc/ of packages. Raises NotosError.

    `system` is the tree of system-path, with which it shares entries.
    """
    from notos.system import packaged, placed, usr

    members = [*programmed.members("usr"), *placed.members(usr_files(), FEATURES.removed)]
    if not members and not FEATURES.removed:
        return system
    tree = usr.overlaid(system, "/usr", members, FEATURES.removed)
    packaged.remove_folders(tree, [each.path for each in FEATURES.removed])
    _compile(tree, "usr", members)
    return tree


def files_opt() -> "Tree":
    """Return the tree of /opt, of packages and of files. Raises NotosError."""
    from notos.system import packaged, placed, usr

    members = [*programmed.members("opt"), *placed.members(opt_files(), FEATURES.removed)]
    tree = usr.overlaid(packaged.opt(project.tree("packaged")), "/opt", members, FEATURES.removed)
    _compile(tree, "opt", members)
    return tree


def usr_tree(system: "Tree") -> "Tree":
    """Return the tree of /usr, of packages, files and scripts. Raises NotosError.

    `system` is the tree of system-path, with which it shares entries.
    """
    return _scripted(files_tree(system), "usr")


def usr_keys() -> "dict[str, tuple[str, ...]]":
    """Return the keys of the config that make each file in /usr, by absolute path. Raises NotosError."""
    from notos.system import placed

    by_scripts = (member for each in scripted.changes() for member in each.below("usr"))
    own = (*programmed.members("usr"), *placed.members(usr_files(), FEATURES.removed))
    return {each.path: each.keys for each in (*own, *by_scripts)}


def _scripted(tree: "Tree", root: str) -> "Tree":
    """Return a tree whose root is /usr or /opt with the changes by scripts. Raises NotosError."""
    from notos.system import usr

    for each in scripted.changes():
        members = each.below(root)
        tree = usr.overlaid(tree, f"/{root}", members, _removals(each))
        _compile(tree, root, members)
    return tree


def _removals(changes: "Changes") -> list[Removal]:
    import glob

    return [Removal(glob.escape(path)) for path in changes.removed]


def opt_tree() -> "Tree":
    """Return the tree of /opt, once its task has run."""
    from notos.system import packaged

    return packaged.opt(project.tree("files"))


def etc_members() -> "tuple[Member, ...]":
    """Return the members of /etc by scripts, and from `etc_files`. Raises NotosError."""
    from notos.system import placed, script_changes

    by_scripts = script_changes.combined(scripted.changes()).below("etc")
    return (*by_scripts, *placed.members(etc_files(), FEATURES.removed))


def etc_keys() -> "dict[str, tuple[str, ...]]":
    """Return the keys of the config's files below /etc by path."""
    from notos.system import placed

    found = {each.path: each.keys for each in FEATURES.etc if each.keys}
    members = placed.members(etc_files(), FEATURES.removed)
    return {**found, **{each.path.removeprefix("/etc/"): each.keys for each in members}}


def unread(system: "Tree") -> "list[NotosError]":
    """Return an error for each file of the config that nothing in the machine reads, by the tree of /usr."""
    from notos.formats.tree import Directory
    from notos.system import placed, unread

    own = ((f"/etc/{each.path}", each.keys) for each in FEATURES.etc)
    members = placed.members((*usr_files(), *etc_files()), FEATURES.removed)
    named = ((each.path, each.keys) for each in members if not isinstance(each.entry, Directory))
    return list(unread.unread((*own, *named), system))


def etc_removals() -> tuple[Removal, ...]:
    """Return what scripts removed from /etc."""
    if not scripted.scripts():
        return ()
    from notos.system import script_changes

    changes = script_changes.combined(scripted.changes())
    return tuple(each for each in _removals(changes) if each.path.startswith("/etc/"))


def taken(area: str) -> "list[NotosError]":
    """Return an error for each path that a script and a key of the config both make, in `area`: etc or state.

    A script does not see the config's file, so neither should replace the other. Raises NotosError.
    """
    if not scripted.scripts():
        return []
    from notos.formats.tree import Directory
    from notos.system import placed, script_changes

    members = list(placed.members(_files(area), FEATURES.removed))
    every = {each.path: each.keys for each in members}
    if area == "etc":
        every |= {
            f"/etc/{each.path}": each.keys
            for each in FEATURES.etc
            if each.keys or not isinstance(each.content, Link)
        }
    folders = {each.path for each in members if isinstance(each.entry, Directory)}
    files = {path: keys for path, keys in every.items() if path not in folders}
    found: list[NotosError] = []
    for each in scripted.changes():
        found += script_changes.taken(each, every)
        found += script_changes.blocked(each, files)
    return found


def unused_removals() -> "list[NotosError]":
    """Return an error for each removal that matches nothing."""
    from notos.system import packaged, placed, usr

    if not FEATURES.removed:
        return []
    tree = project.tree("system-path")
    system = [path for path, _ in tree.items()]
    paths = [f"/usr/{path}" for path in system]
    paths += packaged.folder_paths(tree)
    paths += [f"/{path}" for path in system if path.startswith("etc/")]
    paths += [f"/etc/{each.path}" for each in FEATURES.etc]
    apart = project.tree("packaged")
    paths += [each.path for each in packaged.members(apart)]
    paths += [f"/opt/{path}" for path, _ in packaged.opt(apart).items()]
    paths += [each.path for each in programmed.members("usr", "opt", "srv", whole=True)]
    for files in (usr_files(), opt_files(), etc_files(), state_files()):
        paths += [each.path for each in placed.members(files)]
    return list(usr.unused(FEATURES.removed, paths))


def unknown_owners(etc: "Tree") -> "list[NotosError]":
    """Return an error for each owner of a file that the accounts in the tree of /etc lack."""
    from notos.system import placed
    from notos.system.etc import text

    return list(placed.unknown_owners(owners(), text(etc, "passwd"), text(etc, "group")))


def task_files() -> Task:
    """collect the files of /usr and /opt"""
    files = (*usr_files(), *opt_files())
    used = files or FEATURES.removed or scripted.scripts() or programmed.programs()
    below = [manifest("system-path")] if used else []  # opt: its Python compiles them
    return {
        "actions": [action(collect_files)],
        "file_dep": [manifest("packaged"), *sources(files), *below, *made_before()],
        "uptodate": folders(files),
        "targets": [manifest("files")],
        "clean": True,
    }


def collect_files() -> None:
    """Make the object with the files of /usr and /opt. Raises NotosError."""
    from notos.formats.tree import Tree
    from notos.system import usr

    tree = Tree()
    opt = _scripted(files_opt(), "opt")
    if usr_files() or FEATURES.removed or scripted.scripts() or programmed.programs():
        system = project.tree("system-path")
        whole = usr_tree(system)
        _check_programs(system, whole, opt)
        tree = usr.build(whole, system, project.get("system-path").path)
    if len(opt):
        tree.graft("opt", opt)
    project.add("files", usr.NAME, tree, ["system-path"] if "usr" in tree else [])


def _check_programs(system: "Tree", usr: "Tree", opt: "Tree") -> None:
    """Raise NotosError with all that is wrong with the files of programs, by the trees of /usr and /opt.

    `system` is the tree of system-path.
    """
    if not programmed.programs():
        return
    from notos import errors
    from notos.formats.tree import Directory
    from notos.system import packaged, placed

    files = (*usr_files(), *opt_files(), *state_files())
    members = (each for each in placed.members(files, FEATURES.removed))
    others = {each.path: each.keys for each in members if not isinstance(each.entry, Directory)}
    apart = project.tree("packaged")
    paths = {f"/usr/{path}" for path, _ in system.items()}
    paths.update(f"/opt/{path}" for path, _ in packaged.opt(apart).items())
    paths.update(each.path for each in packaged.members(apart))
    errors.raise_all(programmed.conflicts(frozenset(paths), others))
    root = usr.as_usr()
    if len(opt):
        root.graft("opt", opt)
    errors.raise_all(programmed.lacking(root))


def _compile(tree: "Tree", root: str, members: "Iterable[Member]") -> None:
    """Add the byte code of the members to `tree`, whose root is /usr or /opt.

    Raises ClosureError, ToolError.
    """
    from notos.system import bytecode

    paths = [each.path.removeprefix(f"/{root}/") for each in members if each.path.endswith(".py")]
    if paths:
        system = project.tree("system-path")
        bytecode.add_to_files(tree, root, paths, system=system, target=MACHINE.target, cache=CACHE)


def task_state() -> Task:
    """collect the files of /var and other writable folders"""
    return {
        "actions": [action(collect_state)],
        "file_dep": [
            manifest("packaged"),
            *([manifest("system-path")] if kept_folders() else []),
            *sources(state_files()),
            *made_before(),
        ],
        "uptodate": folders(state_files()),
        "targets": [manifest("state")],
        "clean": True,
    }


def packaged_state() -> "list[Member]":
    """Return the packages' files in /var and /srv, without those that the config removes."""
    from notos.system import packaged, usr

    patterns = [each.path for each in FEATURES.removed]
    found = packaged.members(project.tree("packaged"))
    return [each for each in found if not usr.is_below(each.path, patterns)]


def collect_state() -> None:
    """Make the initial state. Raises NotosError."""
    from notos import errors
    from notos.formats.tree import Directory
    from notos.system import kept, placed, state

    errors.raise_all(taken("state"))
    members = packaged_state()
    for changes in scripted.changes():
        gone = changes.removed
        members = [
            each for each in members if not any(f"{each.path}/".startswith(f"{path}/") for path in gone)
        ]
        members += changes.elsewhere(*placed.STORED)
    members += programmed.members("srv")
    if kept_folders():
        members += kept.members(project.tree("system-path"), kept_folders())
    known = {each.path for each in members}
    members += [
        each
        for each in placed.members(state_files(), FEATURES.removed)
        if not (each.path in known and each.keys[:2] == ("disk", "etc") and isinstance(each.entry, Directory))
    ]
    # A later member replaces an earlier one, so members of packages come first.
    project.add("state", state.NAME, state.build(members))

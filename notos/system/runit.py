"""The runit object: stages, boot fragments and services of a machine's features.

1 2 3 ctrlaltdel …       as in runit/
step                     scripts/step, which the stages source
environment              the environment of services and boot fragments
boot/NN-name             boot fragments of the features
scripts/NAME             scripts of the config's `boot`; a fragment runs each
post-boot/NN-name        fragments that stage-2 sources at its end
first-state              makes the first states of packages; only if the machine has some
first-states/NN-PACKAGE  each first state, in their order; waiting: services that start after them
stop-order               services that stop after others, a line for each wave; only if the machine has some
services/NAME/           run; finish, which waits longer after each failure; log/run; of a unit the files of
                         unit_services.py; reads: patterns of files, whose change makes switch.py restart
                         the service
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from notos.errors import ScriptError
from notos.features.model import Features, Service
from notos.formats.tree import File, Tree
from notos.integration import first_states
from notos.system import service_folder, template, unit_plan
from notos.system.template import Value

NAME = "runit"
ALWAYS = ("1", "2", "3", "ctrlaltdel", "shutdown", "environment", "step")
STOP_ORDER = "stop-order"
SUPERVISE = "/run/runit"  # the state of runsv, because the services themselves are read-only


def build(
    features: Features, source: Tree, folders: Mapping[str, Tree] = {}, states: Sequence[str] = ()
) -> Tree:
    """Return the object's tree, with the features' scripts and services.

    `source` is the tree of runit/ with step; `folders` has those of services with units (unit_services.py),
    and further files of others; `states` are the packages with a first state, in their order. Raises
    ScriptError.
    """
    tree = Tree()
    for path in ALWAYS:
        tree.text(path, _rendered(source, path, {}), executable=True)
    for script in features.scripts:
        text = script.text or _rendered(source, script.source or script.path, script.values)
        tree.text(script.path, text, executable=True)
    tree.directory("services")
    for service in features.services:
        files = _files(service, source)
        if service.name in folders:
            files.graft("", folders[service.name])
        for path, text in service.files.items():
            if path not in files:
                files.text(path, text)
        for script in service.scripts:
            files.text(script.path, script.text, executable=True)
        if service.reads and "reads" not in files:
            files.text("reads", "".join(f"{each}\n" for each in service.reads))
        _add_service(tree, source, service.name, files, log=service.log)
    units = {name: folder.get("unit") for name, folder in folders.items()}
    plans = {
        name: entry.read().decode("utf-8", "replace")
        for name, entry in units.items()
        if isinstance(entry, File)
    }
    if waves := unit_plan.stop_order(plans):
        tree.text(STOP_ORDER, "".join(f"{' '.join(each)}\n" for each in waves))
    if states:
        _add_first_states(tree, source, features, states)
    return tree


def first_state_names(source: Tree) -> list[str]:
    """Return the packages for which the tree of runit/ has a first state."""
    return source.children().get(first_states.FOLDER, [])


def _add_first_states(tree: Tree, source: Tree, features: Features, states: Sequence[str]) -> None:
    tree.text(first_states.RUNNER, _rendered(source, first_states.RUNNER, {}), executable=True)
    files = _folder(source, first_states.FOLDER)
    for number, package in enumerate(states):
        entry = files.get(package)
        assert isinstance(entry, File), "first_state_names() has found it"
        tree.file(f"{first_states.FOLDER}/{number:02}-{package}", entry.read())
    # Services of Notos need none of them, and start at once.
    waiting = " ".join(service.name for service in features.services if service.keys)
    tree.text(first_states.WAITING, f"{waiting}\n")


def _add_service(tree: Tree, source: Tree, name: str, files: Tree, *, log: bool) -> None:
    top = f"services/{name}"
    tree.graft(top, files)
    if f"{top}/finish" not in tree:
        tree.text(f"{top}/finish", _rendered(source, "finish", {}), executable=True)
    if log and f"{top}/log/run" not in tree:
        tree.text(f"{top}/log/run", _rendered(source, "log", {}), executable=True)
    tree.symlink(f"{top}/supervise", f"{SUPERVISE}/{name}")
    if f"{top}/log/run" in tree:
        tree.symlink(f"{top}/log/supervise", f"{SUPERVISE}/{name}.log")


def _files(service: Service, source: Tree) -> Tree:
    """Return the files of a service, without those that all services have."""
    if service.folder.startswith("/"):
        is_own = service.keys[:1] == ("services",)
        keys = (*service.keys, "source") if is_own else service.keys
        return service_folder.read(Path(service.folder), keys)
    if service.unit is not None:
        return Tree()
    if service.folder:
        return _folder(source, f"services/{service.folder}")
    text = service.run if service.run.startswith("#!") else f"#!/bin/sh\nexec 2>&1\n{service.run}"
    tree = Tree()
    tree.text("run", text if text.endswith("\n") else text + "\n", executable=True)
    return tree


def _folder(source: Tree, folder: str) -> Tree:
    """Return the files below `folder` of `source`, in memory, with scripts executable."""
    prefix = f"{folder}/" if folder else ""
    tree = Tree()
    for path, entry in source.items():
        if path.startswith(prefix) and isinstance(entry, File):
            data = entry.read()
            tree.file(path.removeprefix(prefix), data, executable=entry.executable or data[:2] == b"#!")
    return tree


def _rendered(source: Tree, path: str, values: Mapping[str, Value]) -> str:
    if path.startswith("/"):
        if not Path(path).is_file():
            raise ScriptError(f"{path} is missing", hint="a feature names it: correct the feature's path")
        return template.render(Path(path).read_text(), values, name=path)
    entry = source.get(path)
    if not isinstance(entry, File):
        raise ScriptError(f"runit/{path} is missing", hint="restore it: git checkout runit")
    return template.render(entry.read().decode(), values, name=f"runit/{path}")

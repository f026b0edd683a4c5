"""The runit object: stages, boot fragments and services, chosen and rendered for a machine.

1 2 3 ctrlaltdel …       as in runit/
step                     scripts/step, which the stages source
boot/NN-name             those that the machine's features ask for
services/NAME/           run, finish (waits longer and longer where it keeps failing), log/run; reads
                         (patterns of files below /etc whose change is to restart it, for switch.py)
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from notos.config.model import Machine, Service
from notos.errors import ScriptError
from notos.formats.tree import File, Tree
from notos.system import template
from notos.system.template import Value

NAME = "runit"
ALWAYS = ("1", "2", "3", "ctrlaltdel", "shutdown", "step")
SUPERVISE = "/run/runit"  # where runsv keeps its state, for the services themselves are read-only


def build(machine: Machine, source: Tree) -> Tree:
    """The object's tree from `source`, the tree of runit/ with step. Raises ScriptError."""
    tree = Tree()
    wanted: dict[str, Mapping[str, Value]] = {name: {} for name in ALWAYS}
    wanted.update(_fragments(machine))
    if machine.network.method == "dhcp":
        wanted["udhcpc"] = {}
    for path, values in wanted.items():
        tree.text(path, _rendered(source, path, values), executable=True)
    tree.directory("services")
    for name, folder in _built_in(machine):
        _add_service(tree, source, name, _folder(source, f"services/{folder}"), log=False)
    for name, service in machine.services.items():
        files = _own(service)
        if service.reads and "reads" not in files:
            files.text("reads", "".join(f"{each}\n" for each in service.reads))
        _add_service(tree, source, name, files, log=service.log)
    return tree


def _fragments(machine: Machine) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """The boot fragments, with the values they take."""
    network = machine.network
    yield "boot/10-hostname", {"hostname": machine.hostname}
    if network.method == "static":
        address, gateway = str(network.address), network.gateway or ""
        values = {"interface": network.interface, "address": address, "gateway": gateway}
        yield "boot/20-network-static", values
    elif network.method == "dhcp":
        yield "boot/20-network-dhcp", {"interface": network.interface}
    else:
        yield "boot/20-network-none", {}
    if machine.ssh.server != "none":
        yield "boot/40-ssh-keys", {}
        yield f"boot/50-ssh-host-key-{machine.ssh.server}", {}
    if machine.time_servers:
        yield "boot/60-time", {"servers": machine.time_servers}
    if machine.vm.machine != "microvm":  # which has no ACPI
        yield "boot/70-power-button", {}


def _built_in(machine: Machine) -> Iterator[tuple[str, str]]:
    """The services that features bring: name, and folder below runit/services."""
    if machine.ssh.server != "none":
        yield "sshd", f"sshd-{machine.ssh.server}"
    if machine.nix.enable:
        yield "nix-daemon", "nix-daemon"


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


def _own(service: Service) -> Tree:
    """The files of a service that the config defines."""
    if service.source is not None:
        return _folder(Tree.from_directory(Path(service.source)), "")
    assert service.run is not None, "config.py sees to it that a service has a run script or a folder"
    text = service.run if service.run.startswith("#!") else f"#!/bin/sh\nexec 2>&1\n{service.run}"
    tree = Tree()
    tree.text("run", text if text.endswith("\n") else text + "\n", executable=True)
    return tree


def _folder(source: Tree, folder: str) -> Tree:
    """What lies below `folder` of `source`, in memory, its scripts executable."""
    prefix = f"{folder}/" if folder else ""
    tree = Tree()
    for path, entry in source.items():
        if path.startswith(prefix) and isinstance(entry, File):
            data = entry.read()
            tree.file(path.removeprefix(prefix), data, executable=entry.executable or data[:2] == b"#!")
    return tree


def _rendered(source: Tree, path: str, values: Mapping[str, Value]) -> str:
    entry = source.get(path)
    if not isinstance(entry, File):
        raise ScriptError(f"runit/{path} is missing", hint="restore it: git checkout runit")
    return template.render(entry.read().decode(), values, name=f"runit/{path}")

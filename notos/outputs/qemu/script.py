"""runvm.sh: the script that boots a built machine in QEMU, rendered from scripts/runvm.sh."""

from pathlib import Path

from notos.config.model import SSH_PORT, Machine
from notos.errors import ConfigError
from notos.features.model import Features
from notos.home import own
from notos.live.ssh_key import Keys
from notos.outputs.qemu import memory, network
from notos.outputs.qemu.command_line import command_line
from notos.outputs.qemu.devices import DEVICES
from notos.store.store import StoreObject
from notos.system import template
from notos.toolchain.tools_tree import ToolsTree

TEMPLATE = "scripts/runvm.sh"


def render(
    machine: Machine,
    features: Features,
    toplevel: StoreObject,
    qemu: ToolsTree,
    keys: Keys,
    *,
    least: int = memory.LEAST,
    program: str = "./doit",
) -> str:
    """Return the text of the script, which passes `keys` to the machine.

    `least` is the least memory in MiB with which the machine boots. `program` is the command that runs tasks:
    ./doit or notos, possibly with --config. Raises ScriptError.
    """
    vm, target = machine.vm, machine.target
    kind = target.machine_types[vm.machine]
    devices = DEVICES[kind.bus]
    line = command_line(machine, features, toplevel.path)
    values: dict[str, template.Value] = {
        "name": machine.name,
        "memory": vm.memory,
        "leastMemory": least,
        "cpus": vm.cpus,
        "accel": vm.accel,
        "machine": kind.options,
        "hasPowerOff": int(kind.acpi),
        "rootDrive": devices.root_drive,
        "rootDevice": devices.root_device,
        "secondDrive": devices.second_drive,
        "secondDevice": devices.second_device,
        "networkDevice": network.first_card(features.cards, devices.network_device),
        "moreCards": network.more_cards(features.cards, vm.networks, devices.network_device, machine.name),
        "randomDevice": devices.random_device,
        "forwards": [f"{host}:{guest}" for host, guest in vm.forward.items()],
        "userNetwork": network.options(features.subnet),
        "kernelParams": " ".join(line.always),
        "emulatedParams": " ".join(line.emulated),
        "aloneParams": " ".join(line.alone),
        "longest": line.longest,
        "emulatedCpu": target.qemu_cpu,
        "kvmFlags": " or ".join(target.kvm_flags),
        "qemuTree": str(qemu.root),
        "qemuLoader": str(qemu.loader),
        "qemuLibraries": str(qemu.libraries),
        "qemuProgram": f"usr/bin/{target.qemu}",
        "qemuData": target.qemu_data,
        "build": f"{program} runvm",
        "login": f"{program} ssh" if features.login else "",
        "loginPort": str(next((host for host, guest in vm.forward.items() if guest == SSH_PORT), "")),
        "key": str(keys.login),
        "hostKey": str(keys.host),
        "diskSize": disk_size(features.drive),
    }
    return template.render(Path(own(TEMPLATE)).read_text(), values, name=TEMPLATE)


def disk_size(text: str) -> int:
    """Return a drive's size in bytes from its form in the config ("10G"); 0 for none ("")."""
    return int(text[:-1]) << {"M": 20, "G": 30, "T": 40}[text[-1]] if text else 0


def check_memory(machine: Machine, least: int) -> None:
    """Raise ConfigError if the machine has less memory than `least`, the MiB that it needs to boot."""
    if machine.vm.memory < least:
        raise ConfigError(
            f"vm.memory is {machine.vm.memory}, but this machine needs at least {least} MiB to boot",
            hint=f"write memory: {least}, or more",
            keys=("vm", "memory"),
        )

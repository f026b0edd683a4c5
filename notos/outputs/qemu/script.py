"""runvm.sh: the script that boots a built machine in QEMU, rendered from scripts/runvm.sh."""

from pathlib import Path

from notos.config.model import SSH_PORT, Machine
from notos.errors import ConfigError
from notos.home import own
from notos.live.ssh_key import Keys
from notos.outputs.qemu import memory, network
from notos.store.store import StoreObject
from notos.system import template
from notos.toolchain.tools_tree import ToolsTree

TEMPLATE = "scripts/runvm.sh"


def render(
    machine: Machine,
    toplevel: StoreObject,
    qemu: ToolsTree,
    keys: Keys,
    *,
    least: int = memory.LEAST,
    program: str = "./doit",
) -> str:
    """Return the script's text; `keys` are handed to the machine.

    `least` is the least memory in MiB with which the machine boots, `program` what the user types for tasks:
    ./doit, notos, or one of them with --config.
    Raises ScriptError.
    """
    vm = machine.vm
    ssh = machine.ssh.server != "none"
    values: dict[str, template.Value] = {
        "name": machine.name,
        "machine": vm.machine,
        "memory": vm.memory,
        "leastMemory": least,
        "cpus": vm.cpus,
        "accel": vm.accel,
        "forwards": [f"{host}:{guest}" for host, guest in vm.forward.items()],
        "userNetwork": network.options(machine.network),
        "systemConfig": toplevel.path,
        "kernelParams": " ".join(machine.kernel_params),
        "qemuTree": str(qemu.root),
        "build": f"{program} runvm",
        "login": f"{program} ssh" if ssh else "",
        "loginPort": str(next((host for host, guest in vm.forward.items() if guest == SSH_PORT), "")),
        "key": str(keys.login),
        "hostKey": str(keys.host),
        "diskSize": disk_size(machine.disk.size) if machine.disk else 0,
    }
    return template.render(Path(own(TEMPLATE)).read_text(), values, name=TEMPLATE)


def disk_size(text: str) -> int:
    """Bytes of a disk's size as the config writes it ("10G")."""
    return int(text[:-1]) << {"M": 20, "G": 30, "T": 40}[text[-1]]


def check_memory(machine: Machine, least: int) -> None:
    """Raise ConfigError where the machine has less memory than `least`, the MiB that it needs to boot."""
    if machine.vm.memory < least:
        raise ConfigError(
            f"vm.memory is {machine.vm.memory}, and this machine needs at least {least} MiB to boot",
            hint=f"write memory: {least}, or more",
            keys=("vm", "memory"),
        )

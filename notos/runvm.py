"""runvm.sh: the script that boots a built machine in QEMU, rendered from scripts/runvm.sh."""

from pathlib import Path

from notos import scripts
from notos.home import own
from notos.machine import Machine
from notos.ssh_key import Keys
from notos.store import StoreObject
from notos.tools import ToolsTree

TEMPLATE = "scripts/runvm.sh"


def render(machine: Machine, toplevel: StoreObject, qemu: ToolsTree, keys: Keys) -> str:
    """The script's text; `keys` are handed to it. Raises ScriptError."""
    vm = machine.vm
    values: dict[str, scripts.Value] = {
        "name": machine.name,
        "machine": vm.machine,
        "memory": vm.memory,
        "cpus": vm.cpus,
        "accel": vm.accel,
        "forwards": [f"{host}:{guest}" for host, guest in vm.forward.items()],
        "systemConfig": toplevel.path,
        "kernelParams": " ".join(machine.kernel_params),
        "qemuTree": str(qemu.root),
        "keys": str(keys.authorized),
        "hostKey": str(keys.host),
        "diskSize": disk_size(machine.disk.size) if machine.disk else 0,
    }
    return scripts.render(Path(own(TEMPLATE)).read_text(), values, name=TEMPLATE)


def disk_size(text: str) -> int:
    """Bytes of a disk's size as the config writes it ("10G")."""
    return int(text[:-1]) << {"M": 20, "G": 30, "T": 40}[text[-1]]

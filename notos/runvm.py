"""runvm.sh: the script that boots a built machine in QEMU, rendered from scripts/runvm.sh."""

from collections.abc import Callable
from pathlib import Path

from notos import memory, scripts
from notos.errors import ConfigError
from notos.home import own
from notos.machine import Machine
from notos.ssh_key import Keys
from notos.store import StoreObject
from notos.tools import ToolsTree

TEMPLATE = "scripts/runvm.sh"
SSH = 22
LONGEST = 2047  # bytes of an x86 kernel's command line (COMMAND_LINE_SIZE); with more, the boot hangs
_DEVICES = 8 * 38  # bytes that QEMU may add for the devices of a microvm


def render(
    machine: Machine,
    toplevel: StoreObject,
    qemu: ToolsTree,
    keys: Keys,
    *,
    least: int = memory.LEAST,
    login: str = "./doit ssh",
) -> str:
    """Return the script's text; `keys` are handed to the machine.

    `least` is the least memory in MiB with which the machine boots, `login` the command that logs in.
    Raises ScriptError.
    """
    vm = machine.vm
    ssh = machine.ssh.server != "none"
    values: dict[str, scripts.Value] = {
        "name": machine.name,
        "machine": vm.machine,
        "memory": vm.memory,
        "leastMemory": least,
        "cpus": vm.cpus,
        "accel": vm.accel,
        "forwards": [f"{host}:{guest}" for host, guest in vm.forward.items()],
        "systemConfig": toplevel.path,
        "kernelParams": " ".join(machine.kernel_params),
        "qemuTree": str(qemu.root),
        "login": login if ssh else "",
        "loginPort": str(next((host for host, guest in vm.forward.items() if guest == SSH), "")),
        "key": str(keys.login),
        "hostKey": str(keys.host),
        "diskSize": disk_size(machine.disk.size) if machine.disk else 0,
    }
    return scripts.render(Path(own(TEMPLATE)).read_text(), values, name=TEMPLATE)


def disk_size(text: str) -> int:
    """Bytes of a disk's size as the config writes it ("10G")."""
    return int(text[:-1]) << {"M": 20, "G": 30, "T": 40}[text[-1]]


def command_line(machine: Machine, toplevel: StoreObject) -> str:
    """Return the longest command line that runvm.sh gives to the kernel by itself."""
    words = ["console=ttyS0", f"systemConfig={toplevel.path}", *machine.kernel_params, "cryptomgr.notests"]
    if machine.disk:
        words.append("realroot=/dev/vdb")
    if machine.vm.machine == "microvm":
        words += ["qemu_fw_cfg.ioport=12@0x510:0:1:4", "reboot=t", "nolapic_timer"]
    return " ".join(words)


def check(machine: Machine, toplevel: StoreObject, least: int, place: Callable[..., str]) -> None:
    """Raise ConfigError naming all for which the machine could not boot.

    `least` is the least memory in MiB, `place` returns file and line of a key.
    """
    longest = LONGEST - (_DEVICES if machine.vm.machine == "microvm" else 0)
    length = len(command_line(machine, toplevel).encode())
    problems = []
    if machine.vm.memory < least:
        problems.append(
            f"{place('vm', 'memory')}: vm.memory is {machine.vm.memory}, and this machine needs at least"
            f" {least} MiB to boot"
        )
    if length > longest:
        problems.append(
            f"{place('kernel_params')}: kernel_params make the kernel's command line {length} bytes long, and"
            f" {longest} is the most"
        )
    if problems:
        raise ConfigError("\n".join(problems))

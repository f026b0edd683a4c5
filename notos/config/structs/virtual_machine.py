"""The virtual machine that runvm.sh starts."""

from collections.abc import Mapping
from typing import Literal

from notos.config.setting import setting
from notos.config.value_types import DeviceName, LinkName, Port
from notos.structs import dataclass

SSH_PORT = Port(22)  # of the machine
HOST_SSH_PORT = Port(2222)  # of this host, unless the config names another


@dataclass(frozen=True, kw_only=True)
class Vm:
    """The virtual machine that runvm.sh starts."""

    machine: Literal["q35", "microvm"] = setting(
        "QEMU's machine type: q35 has PCI and ACPI; microvm has neither, boots faster and needs a kernel "
        "built for it",
        "q35",
    )

    memory: int = setting("MiB of memory", 512, minimum=64, maximum=1048576)
    cpus: int = setting("number of processors", 1, minimum=1, maximum=255)
    forward: Mapping[Port, Port] = setting(
        "ports of this host's 127.0.0.1 and the machine's ports that they lead to; `2222: 22` is added if no "
        "entry leads to port 22, but not to `{}`",
        lambda: {HOST_SSH_PORT: SSH_PORT},
        example={8080: 80},
    )
    networks: Mapping[DeviceName, LinkName] = setting(
        "networks of further interfaces, by name: all machines on this host with the same name share one; "
        "without an entry an interface is connected to nothing",
        dict,
        example={"eth1": "lan"},
    )
    accel: Literal["auto", "kvm", "tcg"] = setting("QEMU's accelerator; auto is KVM if it works", "auto")

"""Login by ssh, the parts that both servers share: keys, and how runvm.sh passes them."""

import re
from collections.abc import Iterator

from notos.config.model import Machine, Ssh, User
from notos.config.reader import Checks
from notos.config.types import KEY_TYPES
from notos.config.yaml_source import Node, Problem, named_place
from notos.features.model import EtcFile, Feature, Text
from notos.kernel.requirements import Requirement

KEYS = ("ssh",)

_FW_CFG = Requirement(
    "FW_CFG_SYSFS",
    "for the keys that runvm.sh passes",
    "qemu_fw_cfg",
    early=False,
    keys=("ssh", "server"),
)
_FW_CFG_CMDLINE = Requirement(
    "FW_CFG_SYSFS_CMDLINE",
    "for the keys that runvm.sh passes to a microvm",
    keys=("vm", "machine"),
)
_OFF = "ssh.server: none"


def feature(machine: Machine) -> Feature:
    """Return the config's keys, and the parts that both servers need."""
    root = [each for name, user in machine.users.items() if name == "root" for each in user.authorized_keys]
    lines = "".join(f"{each}\n" for each in dict.fromkeys((*machine.ssh.authorized_keys, *root)))
    keys = (EtcFile(path="ssh/authorized_keys.d/root", content=Text(lines)),) if lines else ()
    if machine.ssh.server == "none":
        return Feature(etc=keys)
    # Where neither ACPI nor a device tree says where fw_cfg's registers are, the command line does.
    params = machine.target.machine_types[machine.vm.machine].kernel_params
    named = any(each.startswith("qemu_fw_cfg.") for each in params)
    return Feature(
        requirements=(_FW_CFG, _FW_CFG_CMDLINE) if named else (_FW_CFG,),
        etc=keys,
        login=True,
        reserved_services=dict.fromkeys(("sshd", "dropbear"), _OFF),
    )


def _problems(ssh: Ssh | User, node: Node) -> Iterator[Problem]:
    """Yield public keys that cannot be decoded: sshd silently ignores them."""
    import base64

    for each in ssh.authorized_keys:
        kind, _, rest = each[each.index(_key_type(each)) :].partition(" ")
        try:
            data = base64.b64decode(rest.split(" ")[0], validate=True)
        except ValueError:
            data = b""
        if not data.startswith(len(kind).to_bytes(4) + kind.encode()):
            message = f"this public key is truncated or not of type {kind}; copy the whole line again"
            yield Problem(message, named_place(node, "authorized_keys", each) or node.place)


def _key_type(line: str) -> str:
    match = re.search(KEY_TYPES, line)
    assert match is not None, "config.types requires a type in every key"
    return match[0]


CHECKS: Checks = {Ssh: _problems, User: _problems}

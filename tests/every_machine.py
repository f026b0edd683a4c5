"""Machines that between them have all features in all their forms."""

from dataclasses import replace
from typing import Literal, get_args

from notos import loader
from notos.config.model import Disk, DiskSize, Machine, Network, Vm
from tests.conftest import ROOT

Server = Literal["openssh", "dropbear", "none"]
Method = Literal["static", "dhcp", "none"]
Kind = Literal["q35", "microvm"]
Console = Literal["login", "shell", "none"]

DEFAULT = loader.load(ROOT / "config.yaml").machine


def every_machine(cpus: int = 1) -> list[Machine]:
    """Return the machines, each with `cpus` processors."""
    every = replace(DEFAULT, disk=Disk(size=DiskSize("1G")))
    servers: tuple[Server, ...] = get_args(Server)
    methods: tuple[Method, ...] = get_args(Method)
    kinds: tuple[Kind, ...] = get_args(Kind)
    consoles: dict[Method, Console] = {"static": "none", "dhcp": "login", "none": "shell"}
    return [
        replace(
            every,
            ssh=replace(every.ssh, server=server),
            network=every.network if method == "static" else Network(method=method),
            vm=Vm(machine=kind, cpus=cpus),
            console=consoles[method],
        )
        for server in servers
        for method in methods
        for kind in kinds
    ]

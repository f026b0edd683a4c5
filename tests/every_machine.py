"""Machines that between them have all features in all their forms."""

from dataclasses import replace
from typing import Literal, get_args

from notos import loader
from notos.config.model import (
    BootScript,
    DeviceName,
    Disk,
    DiskSize,
    FileSystem,
    Interface,
    KeymapName,
    Machine,
    Mount,
    MountPoint,
    MountSource,
    Network,
    ScriptName,
    ShellText,
    SysctlName,
    Timer,
    Vlan,
    Vm,
    ZoneName,
)
from tests.conftest import ROOT

Server = Literal["openssh", "dropbear", "none"]
Method = Literal["static", "dhcp", "none"]
Kind = Literal["q35", "microvm"]
Console = Literal["login", "shell", "none"]

DEFAULT = loader.load(ROOT / "config.yaml").machine


def every_machine(cpus: int = 1) -> list[Machine]:
    """Return the machines, each with `cpus` processors."""
    run = ShellText("exit")
    every = replace(
        DEFAULT,
        boot={
            ScriptName("early"): BootScript(run=run, when="pre-mount"),
            ScriptName("late"): BootScript(run=run),
        },
        timers={ScriptName("backup"): Timer(every="day", run=run)},
        disk=Disk(size=DiskSize("1G")),
        keymap=KeymapName("de"),
        kernel=replace(DEFAULT.kernel, for_=("containers",)),
        timezone=ZoneName("Europe/Berlin"),
        sysctl={SysctlName("net.ipv4.ip_forward"): 1},
        mounts={MountPoint("/data"): Mount(device=MountSource("/dev/vdc"), type=FileSystem("xfs"))},
    )
    router = Network(
        interfaces={
            DeviceName("eth0"): Interface(method="slaac"),
            DeviceName("br0"): Interface(bridge=(DeviceName("eth1"),)),
            DeviceName("v5"): Interface(vlan=Vlan(id=5, link=DeviceName("br0"))),
        }
    )
    folder = Mount(device=MountSource("nas:/data"))
    return [
        replace(
            every,
            network=router,
            kernel=replace(every.kernel, for_=("input",)),
            mounts={MountPoint("/nas"): folder},
            vm=Vm(cpus=cpus),
        ),
        *_of_each_kind(every, cpus),
    ]


def _of_each_kind(every: Machine, cpus: int) -> list[Machine]:
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

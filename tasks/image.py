"""The image: the initrd, the squashfs, and runvm.sh, which boots them."""

import shlex
from pathlib import Path

from notos import atomic
from notos.cache import Cache
from notos.errors import NotosError
from notos.home import in_checkout, own, packaged
from tasks import project, tools
from tasks.config import CACHE, CONFIG, FEATURES, MACHINE, build, manifest
from tasks.graph import Task, action
from tasks.inputs import recorded
from tasks.kernel import VMLINUZ
from tasks.targets import write_if_changed
from tasks.uptodate import Derived

INITRD = build("initrd")
SQUASHFS = build("root.squashfs")
RUNVM = build("runvm.sh")
TEMPLATE = own("scripts/runvm.sh")
WAIT_FOR_SSH = packaged("live/wait_for_ssh.py")  # runvm.sh uses it to wait for the ssh server
INSTANCE = packaged("outputs/qemu/instance.py")  # and this one to pass instance data
LINK = "result"
LINK_BESIDE = str(atomic.beside(Path(LINK)))  # temporary name, renamed to the link


def task_initrd() -> Task:
    """pack the closure of stage-1 into the initrd"""
    return {
        "actions": [action(pack_initrd)],
        "file_dep": [manifest("stage1")],
        "targets": [INITRD],
        "clean": True,
    }


def pack_initrd() -> None:
    """Write the initrd."""
    from notos.formats import cpio
    from notos.system import initrd

    stage1 = project.get("stage1")
    trees = initrd.trees(project.STORE, project.STORE.closure([stage1]), stage1)
    cpio.write_initrd(Path(INITRD), trees, level=MACHINE.initrd.compression_level)


def task_squashfs() -> Task:
    """pack the closure of the toplevel into root.squashfs"""
    return {
        "actions": [action(pack_squashfs)],
        "file_dep": [manifest("toplevel")],
        "targets": [SQUASHFS],
        "clean": True,
    }


def pack_squashfs() -> None:
    """Write root.squashfs."""
    from notos.formats.squashfs import image
    from notos.system import root_image

    closure = project.STORE.closure([project.get("toplevel")])
    stored = MACHINE.system.compression == "none"
    image.write_image(Path(SQUASHFS), root_image.tree(project.STORE, closure), stored=stored)


def task_runvm() -> Task:
    """write runvm.sh, which boots the machine in QEMU"""
    return {
        "actions": [action(write_runvm)],
        "file_dep": [TEMPLATE, WAIT_FOR_SSH, INSTANCE, manifest("toplevel"), tools.target("qemu")],
        # The lock comes first, so that an error of the network or an unknown package ends the run at once.
        "task_dep": ["lock", "initrd", "squashfs", "kernel:build"],
        "targets": [RUNVM, *(build(Path(each).name) for each in (WAIT_FOR_SSH, INSTANCE)), LINK],
        "uptodate": [Derived("least memory", least_memory)],
        "clean": True,
    }


def write_runvm() -> None:
    """Write the script, its helpers, and the link to it. Raises ConfigError if the machine could not boot."""
    from notos.live import ssh_key
    from notos.outputs.qemu import script

    qemu, toplevel = tools.tree("qemu"), project.get("toplevel")
    keys = ssh_key.ensure(Cache(Path(cache_folder())), qemu)
    least = _least_memory()
    script.check_memory(MACHINE, least)
    text = script.render(MACHINE, FEATURES, toplevel, qemu, keys, least=least, program=program())
    write_if_changed(RUNVM, text.encode(), mode=0o755)
    for each in (WAIT_FOR_SSH, INSTANCE):
        write_if_changed(build(Path(each).name), Path(each).read_bytes())
    if not linked():
        atomic.link(Path(LINK), RUNVM)


def linked() -> bool:
    """Return True if the link leads to this machine's script."""
    return Path(LINK).is_symlink() and str(Path(LINK).readlink()) == RUNVM


def least_memory() -> int | None:
    """Return the least memory in MiB with which the machine boots; None if it is unknown.

    It is unknown while a file is missing or damaged. Other tasks then run again, or write_runvm reports it.
    """
    try:
        return _least_memory()
    except (NotosError, OSError):
        return None


def _least_memory() -> int:
    """Return the least memory in MiB. Raises StoreError, KernelError or OSError for a damaged file."""
    from notos.outputs.qemu import memory

    unpacked = sum(each.nar_size for each in project.STORE.closure([project.get("stage1")]))
    return memory.least(FEATURES, vmlinuz=Path(VMLINUZ), initrd=Path(INITRD), unpacked=unpacked)


@recorded
def cache_folder() -> str:
    """Return the folder with QEMU and the machine's keys, for runvm.sh."""
    return str(CACHE.root)


@recorded
def program() -> str:
    """Return the command by which the user runs tasks of this machine."""
    name = "./doit" if in_checkout() else "notos"
    return name if str(CONFIG) == "config.yaml" else f"{name} --config {shlex.quote(str(CONFIG))}"

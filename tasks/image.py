"""The image: the initrd, the squashfs, and runvm.sh that boots them."""

from pathlib import Path

from notos.home import own
from tasks import project, tools
from tasks.graph import (
    CACHE,
    MACHINE,
    Task,
    build,
    intact,
    manifest,
    settings,
    step,
    write_if_changed,
)

INITRD = build("initrd")
SQUASHFS = build("root.squashfs")
RUNVM = build("runvm.sh")
TEMPLATE = own("scripts/runvm.sh")
LINK = "result"


def task_initrd() -> Task:
    """pack the closure of stage 1"""
    level = MACHINE.initrd.compression_level
    return {
        "actions": [step(pack_initrd)],
        "file_dep": [manifest("stage1")],
        "targets": [INITRD],
        "uptodate": [settings(level, pack_initrd), intact()],
        "clean": True,
    }


def pack_initrd() -> None:
    """Write the initrd."""
    from notos import cpio_writer, initrd

    stage1 = project.get("stage1")
    trees = initrd.trees(project.STORE, project.STORE.closure([stage1]), stage1)
    cpio_writer.write_initrd(Path(INITRD), trees, level=MACHINE.initrd.compression_level)


def task_squashfs() -> Task:
    """pack the closure of the toplevel"""
    return {
        "actions": [step(pack_squashfs)],
        "file_dep": [manifest("toplevel")],
        "targets": [SQUASHFS],
        "uptodate": [settings({"system.compression": MACHINE.system.compression}, pack_squashfs), intact()],
        "clean": True,
    }


def pack_squashfs() -> None:
    """Write root.squashfs."""
    from notos import squashfs, squashfs_writer

    closure = project.STORE.closure([project.get("toplevel")])
    stored = MACHINE.system.compression == "none"
    squashfs_writer.write_image(Path(SQUASHFS), squashfs.tree(project.STORE, closure), stored=stored)


def task_runvm() -> Task:
    """write runvm.sh, which boots the machine in QEMU"""
    values = {
        "vm": vars(MACHINE.vm) | {"forward": {str(host): to for host, to in MACHINE.vm.forward.items()}},
        "kernel_params": MACHINE.kernel_params,
        "disk": MACHINE.disk and MACHINE.disk.size,
        "cache": str(CACHE.root),
    }
    return {
        "actions": [step(write_runvm)],
        "file_dep": [TEMPLATE, manifest("toplevel"), tools.target("qemu")],
        "task_dep": ["initrd", "squashfs", "kernel:build"],
        "targets": [RUNVM, LINK],
        "uptodate": [settings(values, write_runvm), intact()],
        "clean": True,
    }


def write_runvm() -> None:
    """Write the script, and the link to it."""
    from notos import runvm, ssh_key

    qemu = tools.tree("qemu")
    text = runvm.render(MACHINE, project.get("toplevel"), qemu, ssh_key.ensure(CACHE, qemu))
    write_if_changed(RUNVM, text.encode(), mode=0o755)
    beside = Path(f".{LINK}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(RUNVM)
    beside.replace(LINK)

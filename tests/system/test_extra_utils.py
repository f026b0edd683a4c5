"""Outputs of a build, read by real programs; two builds make the same bytes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard

from notos.architecture import AMD64
from notos.atomic import remove_folder
from notos.errors import ClosureError
from notos.formats import elf, shared_libraries
from notos.formats.tree import Tree
from notos.kernel import vmlinux
from notos.process import run
from notos.store.store import Store, placeholder
from notos.system import extra_utils
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import Project, Tool

OUTPUTS = ("vmlinuz", "initrd", "root.squashfs")


def manifest(project: Project, name: str, machine: str = "notos") -> dict[str, object]:
    text = (project.root / "build" / machine / "manifests" / f"{name}.json").read_text()
    return dict(json.loads(text))


def location(project: Project, name: str) -> Path:
    return project.root / "build/notos/store" / Path(str(manifest(project, name)["path"])).name


def test_the_squashfs_is_the_closure_and_its_registration(built: Project, tool: Tool, tmp_path: Path) -> None:
    image = built.root / "build/notos/root.squashfs"
    out = tmp_path / "out"
    run([*tool("unsquashfs"), "-quiet", "-no-progress", "-d", out, image])
    store = Store(built.root / "build/notos/store")
    closure = store.closure([store.find(str(manifest(built, "toplevel")["path"]))])
    assert {path.name for path in out.iterdir()} == {each.base for each in closure} | {
        "nix-path-registration"
    }
    environment = {"HOME": str(tmp_path), "NIX_CONFIG": "experimental-features = nix-command"}
    for each in closure:
        said = run([*tool("nix"), "hash", "path", "--base16", out / each.base], env=environment)
        assert f"sha256:{said.decode().strip()}" == each.nar_hash
    listed = run([*tool("unsquashfs"), "-lln", image]).decode()
    owners = {line.split()[1] for line in listed.splitlines() if line[:1] in "-dl"}
    assert owners == {"0/0"}
    remove_folder(out)


def test_the_initrd_is_the_closure_of_stage1(built: Project, tool: Tool) -> None:
    data = (built.root / "build/notos/initrd").read_bytes()
    names: set[str] = set()
    while data:  # an archive after the other, as the kernel reads them
        frame = zstandard.ZstdDecompressor().decompressobj()
        names |= set(
            run([*tool("cpio"), "-t", "--quiet"], input=frame.decompress(data)).decode().splitlines()
        )
        data = frame.unused_data
    tops = {name.split("/")[2] for name in names if name.count("/") == 2 and name.startswith("nix/store/")}
    wanted = {Path(str(manifest(built, name)["path"])).name for name in ("stage1", "extra-utils", "modules")}
    assert tops == wanted
    assert {"init", "dev/console", "proc", "sys", "mnt"} <= names


def test_the_kernel_unpacked_is_what_qemu_enters(built: Project, tool: Tool) -> None:
    folder = built.root / "build/notos"
    packed = (folder / "vmlinuz").read_bytes()
    plain = (folder / "vmlinux").read_bytes()
    assert vmlinux.uncompressed(packed, AMD64) == plain
    assert elf.has_note(plain, "Xen", 18)
    assert not elf.has_note(plain, "Xen", 99)
    assert b"Linux version 6." in plain
    assert vmlinux.uncompressed(plain, AMD64) is None
    assert vmlinux.uncompressed(packed[: len(packed) // 2], AMD64) is None
    assert vmlinux.uncompressed(b"", AMD64) is None


def test_the_system_has_what_its_packages_ask_for(built: Project) -> None:
    system = location(built, "system-path")
    assert (system / "bin/bash").is_file()
    assert os.readlink(system / "bin/sh") == "busybox"
    assert os.readlink(system / "sbin/poweroff") == "/etc/runit/shutdown"
    assert os.readlink(system / "lib/modules") == "/run/booted-system/kernel-modules/lib/modules"
    assert not (system / "share/doc").exists()
    assert not list(system.rglob("gconv"))
    assert not list(system.rglob("libmvec.so*")), "no program here needs it"
    assert not list(system.rglob("libdb-5*")), "only iproute2's arpd needs it, which is left out"
    assert not (system / "lib/openssh/sftp-server").exists()
    ip = os.readlink(system / "sbin/ip") if (system / "sbin/ip").is_symlink() else ""
    assert "busybox" not in ip, "iproute2 has an ip of its own"


def test_etc_has_accounts_certificates_and_modes(built: Project) -> None:
    toplevel = location(built, "toplevel")
    passwd = {line.split(":")[0] for line in (toplevel / "etc/passwd").read_text().splitlines()}
    assert {"root", "sshd", "nobody", "nixbld1", "_chrony"} <= passwd
    assert (toplevel / "permissions").read_text() == 'chmod 0600 "$etc"/gshadow "$etc"/shadow\n'
    versions = dict(line.split(" ") for line in (toplevel / "packages").read_text().splitlines())
    assert {"busybox", "nix-bin", "openssh-server", "libc6"} <= versions.keys()
    bundle = (toplevel / "etc/ssl/certs/ca-certificates.crt").read_text()
    assert bundle.count("BEGIN CERTIFICATE") > 100
    import ssl

    assert len(ssl.create_default_context(cadata=bundle).get_ca_certs()) > 100
    assert "PasswordAuthentication no" in (toplevel / "etc/ssh/sshd_config").read_text()
    assert "PRIVATE" not in "".join(str(path) for path in toplevel.rglob("*"))


def test_a_dynamic_busybox_is_relocated_and_proves_itself(tools_tree: ToolsTree, tmp_path: Path) -> None:
    peers = Tree.from_directory(tools_tree.root)
    packages = Tree()
    for path in ("usr/bin/busybox", *shared_libraries.closure(peers, ["usr/bin/busybox"], AMD64).values()):
        entry = peers.get(path)
        assert entry is not None
        packages.add(path, entry)
    packages.symlink("usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    store = Store(tmp_path / "store")
    store.root.mkdir()
    obj = store.add("extra-utils", extra_utils.relocate(packages, placeholder("extra-utils"), AMD64))
    folder = store.location(obj)
    extra_utils.prove(folder, obj.path, AMD64)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken, symlinks=True)
    (broken / "lib").chmod(0o755)
    (broken / "lib/libresolv.so.2").unlink()
    with pytest.raises(ClosureError, match=r"bin/busybox of extra-utils needs libresolv\.so\.2"):
        extra_utils.prove(broken, obj.path, AMD64)
    with pytest.raises(ClosureError, match="has the loader"):
        extra_utils.prove(folder, "/nix/store/other", AMD64)
    remove_folder(broken)
    remove_folder(store.root)


def test_a_static_busybox_is_all_there_is(built: Project) -> None:
    folder = location(built, "extra-utils")
    extra_utils.prove(folder, str(manifest(built, "extra-utils")["path"]), AMD64)
    assert [path.name for path in folder.iterdir()] == ["bin"]
    assert os.readlink(folder / "bin/ash") == "busybox"


@pytest.mark.parametrize("set_name", ["ssh-keygen", "qemu-system-x86_64"])
def test_tools_run_from_their_own_tree(built: Project, set_name: str) -> None:
    from notos.cache import Cache
    from notos.toolchain.tools_tree import ToolsTree

    key = json.loads((built.root / "build/notos/tools/qemu.json").read_text())["key"]
    command = ToolsTree(Cache.default().tools(key), AMD64).command(set_name)
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, env={}, check=False)
    assert "No such file" not in done.stderr
    assert done.returncode in (0, 1)

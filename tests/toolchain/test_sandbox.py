"""The sandbox: what is in it, what is not, and what it says where it cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from notos.errors import ToolError
from notos.process import run
from notos.toolchain import sandbox
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree


def said(box: Sandbox, script: str) -> list[str]:
    return run(box.command(["sh", "-c", script])).decode().split()


def test_only_what_was_given_is_there(kernel_tools: ToolsTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    box = Sandbox(kernel_tools)
    assert said(box, "ls /") == ["bin", "dev", "lib", "lib64", "proc", "sbin", "tmp", "usr"]
    # The shell itself adds these last three.
    assert set(said(box, "env | cut -d= -f1")) == {"PATH", "LC_ALL", "HOME", "PWD", "OLDPWD", "_"} & set(
        said(box, "env | cut -d= -f1")
    )
    assert said(box, "tail -n +3 /proc/net/dev | cut -d: -f1") == ["lo"]
    assert said(box, "gcc --version | head -c 3") == ["gcc"]
    assert len(said(box, "ls -d /proc/[0-9]*")) < 6


def test_what_is_readable_cannot_be_written(kernel_tools: ToolsTree, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("given")
    (tmp_path / "out").mkdir()
    box = Sandbox(
        kernel_tools,
        readable={"/in": tmp_path / "in"},
        writable={"/out": tmp_path / "out"},
        links={"/wrap/cat2": "/usr/bin/cat"},
        environment={"NAME": "a b"},
        folder="/out",
    )
    assert said(box, "/wrap/cat2 /in/file; echo $NAME; pwd") == ["given", "a", "b", "/out"] or said(
        box, "/wrap/cat2 /in/file; echo; echo $NAME; pwd"
    ) == ["given", "a", "b", "/out"]
    run(box.command(["sh", "-c", "echo made > made"]))
    assert (tmp_path / "out/made").read_text() == "made\n"
    assert (tmp_path / "out/made").stat().st_uid == os.getuid()
    for script in ("echo x > /in/file", "echo x > /usr/bin/x", "rm /usr/bin/gcc"):
        with pytest.raises(ToolError, match="Read-only file system"):
            run(box.command(["sh", "-c", script]))


def test_an_inherited_environment_is_not_in_the_command_line(kernel_tools: ToolsTree) -> None:
    command = Sandbox(kernel_tools, inherited=True).command(["sh", "-c", "echo $SECRET $HOME $PATH"])
    assert not {"1234", "/home/u"} & set(command)
    env = {"SECRET": "1234", "HOME": "/home/u", "PATH": "/nonexistent"}
    assert run(command, env=env).decode().split() == ["1234", "/home/u", sandbox.PATH]


def test_a_network_is_there_when_asked_for(kernel_tools: ToolsTree) -> None:
    ours = {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}
    assert set(said(Sandbox(kernel_tools, network=True), "tail -n +3 /proc/net/dev | cut -d: -f1")) == ours


@pytest.mark.parametrize(
    ("files", "cause", "hint"),
    [
        ({"proc/sys/user/max_user_namespaces": "0\n"}, "user.max_user_namespaces is 0", "sysctl -w user.max"),
        (
            {"proc/sys/kernel/unprivileged_userns_clone": "0\n"},
            "kernel.unprivileged_userns_clone is 0",
            "unprivileged_userns_clone=1",
        ),
        (
            {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
            "Ubuntu 24.04",
            "apparmor_restrict_unprivileged_userns=0, or run this command as root",
        ),
        ({".dockerenv": ""}, "this is a container", "--privileged"),
        ({"run/.containerenv": ""}, "this is a container", "--privileged"),
        ({"proc/1/environ": "container=lxc\0"}, "this is a container", "--privileged"),
        ({"proc/self/status": "Name:\tx\nSeccomp:\t2\n"}, "a seccomp filter", "run this command outside"),
        ({}, "this kernel lacks user namespaces", "CONFIG_USER_NS"),
        ({"proc/self/ns/user": ""}, "the cause is unknown", "user_namespaces(7)"),
    ],
)
def test_the_cause_and_the_hint(tmp_path: Path, files: dict[str, str], cause: str, hint: str) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = sandbox.forbidden(tmp_path / "proc", tmp_path)
    assert cause in found[0]
    assert hint in found[1]


# In a user namespace of its own, where no more may be made: what a host with the sysctl at 0 is to a user.
FORBIDDEN = """
import ctypes, os, sys
from pathlib import Path
uid, gid = os.getuid(), os.getgid()
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000):
    sys.exit(77)
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
Path("/proc/sys/user/max_user_namespaces").write_text("0")
# An ordinary user in there: no capability is left after this.
libc.prctl(24, 21)  # PR_CAPBSET_DROP, CAP_SYS_ADMIN
libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
sys.argv = [sys.argv[0], *sys.argv[1:]]
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], sys.argv[1]])
"""
TRY = """
import sys
from pathlib import Path
from notos import architecture
from notos.errors import ToolError
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree
try:
    Sandbox(ToolsTree(Path(sys.argv[1]), architecture.host())).prove()
except ToolError as error:
    print(error)
"""


def test_where_the_kernel_refuses_it_says_so(kernel_tools: ToolsTree) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN, str(kernel_tools.root), TRY],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this host lets nobody make user namespaces")
    assert "no sandbox can be made here (" in done.stdout, done
    assert "user namespaces are disabled (user.max_user_namespaces is 0): sysctl -w" in done.stdout

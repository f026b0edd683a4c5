"""systemd-tmpfiles and our fragment, each run in its own root file system, and the files that they leave.

The root file systems are folders; bubblewrap makes them "/" and mounts the tools tree on /usr.
"""

import os
import re
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notos.errors import NotosError
from notos.system.tmpfiles import Accounts, script
from notos.toolchain.tools_tree import ToolsTree

USERS = {"root": "0", "alice": "1000", "bob": "1001"}
GROUPS = {"root": "0", "alice": "1000", "staff": "50"}
PASSWD = "".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in USERS.items())
GROUP = "".join(f"{name}:x:{gid}:\n" for name, gid in GROUPS.items())
ARRANGED = "arrange"  # a shell script that sets up a root before the lines apply
MACHINE_ID = "0123456789abcdef0123456789abcdef"
_FOLDERS = ("run", "var/lib", "var/tmp", "tmp", "home", "srv", "root", "etc", "proc", "dev", "usr", "sys")
_APPLETS = (
    *(
        "chmod",
        "chown",
        "cp",
        "ln",
        "mkdir",
        "mkfifo",
        "mknod",
        "mountpoint",
        "readlink",
        "rm",
        "rmdir",
        "stat",
    ),
    *("tr", "touch", "sh"),
)
RELEASE = {"ID": "debian", "VERSION_ID": "13"}
REFUSED = r"/etc/tmpfiles\.d/(\S+\.conf:\d+): (?!Duplicate|Line references|.* lines don't take)"
Found = dict[str, tuple[object, ...]]


@dataclass(frozen=True)
class Verdict:
    """The files that are left, and the places (FILE:LINE) of the refused lines."""

    files: Found
    refused: frozenset[str]


@dataclass(frozen=True)
class Judge:
    """Runs programs of `tools` with a folder below `work` as root."""

    tools: ToolsTree
    work: Path

    def root(self, name: str, files: Mapping[str, str], arrange: str) -> Path:
        """Return a new root with the tmpfiles.d `files`, after the shell script `arrange`."""
        root = self.work / name
        for folder in _FOLDERS:
            (root / folder).mkdir(parents=True)
        for alias in ("bin", "sbin", "lib", "lib64"):
            (root / alias).symlink_to(f"usr/{alias}")
        (root / "etc/passwd").write_text(PASSWD)
        (root / "etc/group").write_text(GROUP)
        (root / "etc/machine-id").write_text(f"{MACHINE_ID}\n")
        (root / "etc/os-release").write_text("".join(f"{name}={value}\n" for name, value in RELEASE.items()))
        (root / "etc/tmpfiles.d").mkdir()
        for file, text in files.items():
            (root / "etc/tmpfiles.d" / file).write_bytes(text.encode("utf-8", "surrogateescape"))
        if arrange:
            self.run(root, "busybox", "sh", "-c", arrange)
        return root

    def run(self, root: Path, *words: str, check: bool = True) -> str:
        """Run a program of /usr/bin with `words` in `root`, which is its "/"; return its messages."""
        usr = str(self.tools.root / "usr")
        options = ["--bind", str(root), "/", "--ro-bind", usr, "/usr", "--proc", "/proc", "--dev", "/dev"]
        options += ["--tmpfs", "/usr/lib/tmpfiles.d", "--tmpfs", "/applets"]
        options += [
            word for each in _APPLETS for word in ("--symlink", "/usr/bin/busybox", f"/applets/{each}")
        ]
        options += ["--cap-add", "ALL", "--unshare-uts", "--hostname", "box.lan"]
        done = subprocess.run(
            [*self.tools.command("bwrap"), *options, "--", f"/usr/bin/{words[0]}", *words[1:]],
            env={"PATH": "/applets", "SYSTEMD_LOG_LEVEL": "warning"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        assert not check or done.returncode == 0, said
        return said

    def systemd(self, files: Mapping[str, str], arrange: str = "", *, boot: bool = True) -> Verdict:
        """Return what systemd-tmpfiles does."""
        root = self.root("systemd", files, arrange)
        options = ["--create", "--remove", "--boot"] if boot else ["--create"]
        said = self.run(root, "systemd-tmpfiles", *options, check=False)
        return Verdict(found(root), frozenset(re.findall(REFUSED, said)))

    def ours(self, files: Mapping[str, str], arrange: str = "", *, boot: bool = True) -> Verdict:
        """Return what our fragment does, run by busybox. Lines that the build refuses are left out."""
        root = self.root("ours", files, arrange)
        refused: frozenset[str] = frozenset()
        try:
            text = fragment(files)
        except NotosError as error:
            refused = frozenset(re.findall(r"tmpfiles\.d/(\S+\.conf:\d+):", error.message))
            text = fragment({name: _without(name, each, refused) for name, each in files.items()})
        (root / "fragment").write_bytes(text.encode("utf-8", "surrogateescape"))
        self.run(root, "busybox", "ash", "-eu", "-c", f"root= boot={'1' * boot}\n. /fragment")
        (root / "fragment").unlink()
        return Verdict(found(root), refused)


def fragment(files: Mapping[str, str]) -> str:
    """Return our fragment for `files` in a root of Judge."""
    return script(files, accounts=Accounts(USERS, GROUPS), release=RELEASE)


def _without(name: str, text: str, refused: frozenset[str]) -> str:
    lines = re.split("\r\n|[\n\r\0]", text)
    return "\n".join("" if f"{name}:{at}" in refused else line for at, line in enumerate(lines, 1))


def found(root: Path) -> Found:
    """Return type, mode, owner and content of each file below `root` by path."""
    out: Found = {}
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        if here == root:
            for each in ("applets", "usr", "proc", "dev", "sys", "bin", "sbin", "lib", "lib64"):
                if each in folders:
                    folders.remove(each)
        for name in (*folders, *names):
            path = here / name
            status = path.lstat()
            kind = stat.S_IFMT(status.st_mode)
            content: object = None
            if stat.S_ISLNK(kind):
                content = os.readlink(path)
            elif stat.S_ISREG(kind):
                content = path.read_bytes()
            elif kind in (stat.S_IFCHR, stat.S_IFBLK):
                content = status.st_rdev
            mode = 0 if stat.S_ISLNK(kind) else stat.S_IMODE(status.st_mode)
            out[str(path.relative_to(root))] = (oct(kind), oct(mode), status.st_uid, status.st_gid, content)
    return out

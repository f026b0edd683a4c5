"""A bubblewrap sandbox (bwrap(1)), for compilers and for scripts of the config.

Its root is a tools tree, or a writable folder. It has no access to this host's files or network unless
granted. bwrap itself comes from the tree. An unprivileged user needs user namespaces; if this host forbids
them, the error says what forbids them.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from notos.errors import ToolError
from notos.process import run
from notos.toolchain.tools_tree import ToolsTree

PATH = "/usr/bin:/usr/sbin"
_LINKS = ("bin", "sbin", "lib", "lib64")
_ONLY_ROOT = ("--unshare-user", "--uid", "0", "--gid", "0", "--hostname", "localhost")
# Of root over its own files (capabilities(7)). It gets none for devices, mounts and file capabilities.
_CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETGID", "CAP_SETUID")
# The files of the host that name resolution needs.
_NAMES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/ssl/certs")


@dataclass(frozen=True)
class Sandbox:
    """The contents of a sandbox: the tree as /usr, folders of this host by path inside, an environment.

    `readable` and `writable` are bind mounts, `links` symbolic links. With `network`, the sandbox shares the
    host's network and the files of name resolution. With `terminal`, the command may control the terminal.

    With `inherited`, the command also gets the environment of the process that starts it: command lines are
    visible to all users of this host, an environment is not (proc(5)).

    `root` is a folder of this host that is / in place of the tree, writable, for the user root of a user
    namespace without other users. /tmp, /run and /var/tmp are then empty.

    `system` is a folder of this host whose usr and etc are used in place of the tree's, read-only, for the
    same user without special rights.
    """

    tools: ToolsTree
    readable: Mapping[str, Path] = field(default_factory=dict)
    writable: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    network: bool = False
    terminal: bool = False
    inherited: bool = False
    root: Path | None = None
    system: Path | None = None

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the command line that runs the command line `words` in the sandbox, on any host."""
        options = ["--unshare-all", "--die-with-parent", *self._root()]
        for inside, outside in self.readable.items():
            options += ["--ro-bind", str(outside), inside]
        for inside, outside in self.writable.items():
            options += ["--bind", str(outside), inside]
        for inside, target in self.links.items():
            options += ["--symlink", target, inside]
        if self.network:
            options += ["--share-net"]
            for name in _NAMES:
                options += ["--ro-bind-try", os.path.realpath(name), name]
        if not self.terminal:
            options += ["--new-session"]
        usual = {"PATH": PATH, "LC_ALL": "C", **({} if self.inherited else {"HOME": "/tmp"})}
        environment = {**usual, **self.environment}
        options += ["--chdir", self.folder, *([] if self.inherited else ["--clearenv"])]
        for name, value in environment.items():
            options += ["--setenv", name, value]
        return [*self.tools.command("bwrap"), *options, "--", *words]

    def _root(self) -> list[str]:
        """Return the options for / and its usual file systems."""
        system = ["--proc", "/proc", "--dev", "/dev"]
        if self.root is None:
            options = [*_ONLY_ROOT] if self.system else []
            options += ["--ro-bind", str((self.system or self.tools.root) / "usr"), "/usr"]
            for name in _LINKS:
                options += ["--symlink", f"usr/{name}", f"/{name}"]
            # Each file by itself, so that files of name resolution can be beside them.
            for each in sorted((self.system / "etc").iterdir()) if self.system else ():
                way = ["--symlink", os.readlink(each)] if each.is_symlink() else ["--ro-bind", str(each)]
                options += [*way, f"/etc/{each.name}"]
            return [*options, *system, "--tmpfs", "/tmp"]
        options = [*_ONLY_ROOT]
        for name in _CAPABILITIES:
            options += ["--cap-add", name]
        options += ["--bind", str(self.root), "/", *system]
        for name in ("/tmp", "/run", "/var/tmp"):
            options += ["--tmpfs", name]
        return options

    def prove(self, words: Sequence[str] = ("true",)) -> None:
        """Run the command line `words` in the sandbox, which has no effect.

        Raises ToolError with the cause if this host forbids sandboxes.
        """
        try:
            run(self.command(words))
        except ToolError as error:
            reason = error.message.rpartition("  | ")[2] if "  | " in error.message else error.message
            cause, hint = forbidden()
            raise ToolError(f"no sandbox can be made here ({reason}): {cause}", hint=hint) from error


def forbidden(proc: Path = Path("/proc"), root: Path = Path("/")) -> tuple[str, str]:
    """Return the likely cause that forbids namespaces on this host, and a hint.

    `proc` and `root` are the folders that are read as /proc and /. Source: user_namespaces(7),
    namespaces(7); sysctls that only Debian and Ubuntu have.
    """

    def setting(path: str) -> str:
        try:
            return (proc / path).read_text().strip()
        except OSError:
            return ""

    as_root = "or run this command as root"
    status = dict(line.partition(":")[::2] for line in setting("self/status").splitlines())
    if setting("sys/user/max_user_namespaces") == "0":
        return (
            "user namespaces are disabled (user.max_user_namespaces is 0)",
            f"sysctl -w user.max_user_namespaces=10000, {as_root}",
        )
    if setting("sys/kernel/unprivileged_userns_clone") == "0":
        return (
            "unprivileged user namespaces are disabled (kernel.unprivileged_userns_clone is 0)",
            f"sysctl -w kernel.unprivileged_userns_clone=1, {as_root}",
        )
    container = next((each for each in (".dockerenv", "run/.containerenv") if (root / each).exists()), "")
    if container or setting("1/environ").startswith("container="):
        return (
            "this is a container that may not create namespaces",
            "start it with --privileged, or with --cap-add SYS_ADMIN --security-opt seccomp=unconfined "
            "--security-opt systempaths=unconfined",
        )
    if setting("sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor allows only known programs to create namespaces "
            "(kernel.apparmor_restrict_unprivileged_userns is 1, as on Ubuntu 24.04)",
            f"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, {as_root}",
        )
    if status.get("Seccomp", "").strip() == "2":
        return (
            "this process has a seccomp filter, probably from a container",
            "run this command outside of it, or in a container that may create namespaces",
        )
    if not setting("self/ns/user") and not (proc / "self/ns/user").exists():
        return "this kernel lacks user namespaces", "run as root, or use a kernel with CONFIG_USER_NS"
    return "the cause is unknown", "run as root, or see user_namespaces(7)"

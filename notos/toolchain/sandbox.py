"""A sandbox whose root is a tools tree: compilers run there, and see neither this host nor a network.

Made by bubblewrap (bwrap(1)), itself from the tree. A user without privileges needs user namespaces
for it, which some hosts forbid; then it is told what forbids them, and what to do.
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
# What a program needs of the host to find another one by its name.
_NAMES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/ssl/certs")


@dataclass(frozen=True)
class Sandbox:
    """What is in it: the tree as /usr, folders of this host by their path inside, an environment.

    `writable` is what may be changed. With `network`, the host's own network is there, and the files by
    which names are looked up. With `terminal`, what runs may take the terminal over.
    """

    tools: ToolsTree
    readable: Mapping[str, Path] = field(default_factory=dict)
    writable: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    network: bool = False
    terminal: bool = False

    def command(self, words: Sequence[str]) -> list[str]:
        """The words that run `words` in the sandbox, on any host."""
        options = ["--unshare-all", "--die-with-parent", "--ro-bind", str(self.tools.root / "usr"), "/usr"]
        for name in _LINKS:
            options += ["--symlink", f"usr/{name}", f"/{name}"]
        options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
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
        environment = {"PATH": PATH, "LC_ALL": "C", "HOME": "/tmp", **self.environment}
        options += ["--chdir", self.folder, "--clearenv"]
        for name, value in environment.items():
            options += ["--setenv", name, value]
        return [*self.tools.command("bwrap"), *options, "--", *words]

    def prove(self) -> None:
        """Run nothing in it. Raises ToolError, with what forbids it, where no sandbox can be made."""
        try:
            run(self.command(["true"]))
        except ToolError as error:
            said = error.message.rpartition("  | ")[2] if "  | " in error.message else error.message
            cause, hint = forbidden()
            raise ToolError(f"no sandbox can be made here ({said}): {cause}", hint=hint) from error


def forbidden(proc: Path = Path("/proc"), root: Path = Path("/")) -> tuple[str, str]:
    """What forbids namespaces on this host, as far as it can be seen, and what to do about it.

    `proc` and `root` are where the kernel and the file system are read from. Source: user_namespaces(7),
    namespaces(7); Debian's and Ubuntu's own sysctls.
    """

    def setting(path: str) -> str:
        try:
            return (proc / path).read_text().strip()
        except OSError:
            return ""

    as_root = "or run it as root"
    status = dict(line.partition(":")[::2] for line in setting("self/status").splitlines())
    if setting("sys/user/max_user_namespaces") == "0":
        return (
            "user namespaces are turned off (user.max_user_namespaces is 0)",
            f"sysctl -w user.max_user_namespaces=10000, {as_root}",
        )
    if setting("sys/kernel/unprivileged_userns_clone") == "0":
        return (
            "users may make no namespaces (kernel.unprivileged_userns_clone is 0)",
            f"sysctl -w kernel.unprivileged_userns_clone=1, {as_root}",
        )
    container = next((each for each in (".dockerenv", "run/.containerenv") if (root / each).exists()), "")
    if container or setting("1/environ").startswith("container="):
        return (
            "this is a container, which may make no namespaces",
            "start it with --privileged, or with --cap-add SYS_ADMIN --security-opt seccomp=unconfined "
            "--security-opt systempaths=unconfined",
        )
    if setting("sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor lets only known programs make namespaces "
            "(kernel.apparmor_restrict_unprivileged_userns is 1, as on Ubuntu 24.04)",
            f"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, {as_root}",
        )
    if status.get("Seccomp", "").strip() == "2":
        return (
            "a seccomp filter is on this process, most likely a container's",
            "run it outside, or in a container that may make namespaces",
        )
    if not setting("self/ns/user") and not (proc / "self/ns/user").exists():
        return "this kernel has no user namespaces", "run it as root, or on a kernel with CONFIG_USER_NS"
    return "the kernel does not say why", "run it as root, or see user_namespaces(7)"

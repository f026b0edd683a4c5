"""Fresh roots of Debian: made by mmdebstrap from a tools tree, kept in build/, entered as an ordinary user.

    build/fresh/tools.lock                  of the tools
    build/fresh/SUITE-KEY/                  a root; KEY: the archive's package lists, and what is installed

To make one and to enter it takes root, for its files have many owners. It is mounted read-only; what its user
writes is in a home of its own.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from notos import architecture
from notos.cache import Cache
from notos.config.model import Debian
from notos.debian import deb, download, mirror
from notos.debian.archive import Archive
from notos.errors import ToolError
from notos.lock import lockfile
from notos.process import run
from notos.toolchain import peers, sandbox
from notos.toolchain.tools_tree import ToolsTree
from tests.fresh import outside

# mmdebstrap and apt find all of these by their names.
TOOLS = (
    *("apt", "bash", "bubblewrap", "coreutils", "dash", "debian-archive-keyring", "debianutils", "diffutils"),
    *("dpkg", "findutils", "gpgv", "grep", "gzip", "hostname", "libc-bin", "mawk", "mmdebstrap", "mount"),
    *("perl", "sed", "tar", "util-linux", "xz-utils", "zstd"),
)
LAYOUT = 2  # counts up when roots are made in another way
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
USER, HOME = 1000, "/home/user"
_LINKS = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"}


@dataclass(frozen=True)
class Root:
    """A root: its folder, and the bwrap that enters it."""

    folder: Path
    bwrap: tuple[str, ...]

    def command(
        self, home: Path, *words: str, network: bool = True, environment: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the words that run `words` in the root as its user, in the folder `home`.

        With `network`, the root has the network and the pip settings of this host.
        """
        options = ["--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        options += [
            "--cap-add",
            "ALL",
            "--ro-bind",
            str(self.folder),
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]
        options += ["--perms", "1777", "--tmpfs", "/tmp", "--bind", str(home), HOME, "--chdir", HOME]
        there = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": HOME, "USER": "user", "TERM": "dumb"}
        if network:
            for name in outside.NAMES:
                options += ["--ro-bind-try", os.path.realpath(name), name]
            options += outside.of_pip(self.folder.with_name("pip.conf"))
            there |= outside.proxies()
        else:
            options += ["--unshare-net"]
        options += ["--clearenv"]
        for name, value in {**there, **(environment or {})}.items():
            options += ["--setenv", name, value]
        # util-linux is in every root.
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all", "--"]
        return [*self.bwrap, *options, "--", *user, *words]


@dataclass(frozen=True)
class Maker:
    """A maker of roots below `folder`, from packages of the release `debian`."""

    folder: Path
    debian: Debian

    def forbidden(self) -> str:
        """Return why no root can be made and entered here; empty where one can."""
        if os.geteuid() != 0:
            return "fresh roots are made and entered by root; run it as root"
        try:
            run([*self._tools.command("bwrap"), "--cap-add", "ALL", "--ro-bind", "/", "/", "/bin/true"])
        except ToolError as error:
            return f"no root can be entered here: {'; '.join(sandbox.forbidden())}\n{error}"
        return ""

    def root(self, suite: str, *packages: str) -> Root:
        """Return the root of `suite` with its essential packages, apt and `packages`; make it if need be.

        Raises ToolError, FetchError.
        """
        tree = self._tools
        sources = self._sources(suite)
        name = "-".join((suite, *packages))
        folder = self.folder / f"{name}={_key(sources)}"
        if not folder.is_dir():
            for old in self.folder.glob(f"{name}=*"):
                shutil.rmtree(old)
            kept = lockfile.read(self._lock)
            assert kept is not None
            locked = kept.set(peers.SET)
            (dpkg,) = (Cache.default().download(each.sha256) for each in locked if each.name == "dpkg")
            self._make(tree, dpkg, sources, packages, folder)
        return Root(folder, tuple(tree.command("bwrap")))

    @property
    def _lock(self) -> Path:
        return self.folder / "tools.lock"

    @cached_property
    def _tools(self) -> ToolsTree:
        return peers.tree(
            TOOLS, Archive(self.debian, Cache.default(), architecture.host()), self._lock, closure="depends"
        )

    def _sources(self, suite: str) -> list[str]:
        """Return the lines of a sources.list."""
        mirrors = mirror.mirrors(self.debian)
        places = [(mirrors.main, suite), (mirrors.main, f"{suite}-updates")]
        places += [(mirrors.security, f"{suite}-security")]
        return [f"deb [signed-by={KEYRING}] {url} {each} main" for url, each in places]

    def _make(
        self, tree: ToolsTree, dpkg: Path, sources: list[str], packages: tuple[str, ...], folder: Path
    ) -> None:
        suite = folder.name.partition("-")[0]
        work, beside = self.folder / "work", self.folder / "new"
        for each in (work, beside):
            shutil.rmtree(each, ignore_errors=True)
        # Packages of a machine lack dpkg's tables.
        work.mkdir()
        deb.read(dpkg, wanted=lambda path: path.startswith("usr/share/dpkg/")).write_to(work)
        etc = work / "etc"
        for name in ("apt.conf.d", "preferences.d", "sources.list.d", "trusted.gpg.d"):
            (etc / "apt" / name).mkdir(parents=True)
        (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n_apt:x:42:65534::/:/usr/sbin/nologin\n")
        (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
        (etc / "hostname").write_text("fresh\n")
        beside.mkdir()
        options = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-add", "ALL"]
        for inside, target in _LINKS.items():
            options += ["--symlink", target, inside]
        for path in (*_children(tree.root / "usr", "share"), *_children(tree.root / "usr/share", "")):
            options += ["--ro-bind", str(path), f"/{path.relative_to(tree.root)}"]
        options += ["--ro-bind", str(work / "usr/share/dpkg"), "/usr/share/dpkg", "--bind", str(etc), "/etc"]
        for name in (*outside.NAMES, "/etc/ssl/certs"):
            options += ["--ro-bind-try", os.path.realpath(name), name]
        options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/var/tmp"]
        options += ["--bind", str(beside), "/target", "--clearenv"]
        there = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/tmp", "LC_ALL": "C", **outside.proxies()}
        for name, value in there.items():
            options += ["--setenv", name, value]
        made = [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join(packages)}",
        ]
        run([*tree.command("bwrap"), *options, "--", *made, suite, "/target", *sources])
        shutil.rmtree(work)
        self._furnish(beside)
        beside.rename(folder)

    def _furnish(self, root: Path) -> None:
        """Make it as images have it: no lists of packages, a user; and room to mount files on."""
        for name in ("var/lib/apt/lists", "var/cache/apt"):
            shutil.rmtree(root / name)
            (root / name).mkdir()
        with (root / "etc/passwd").open("a") as stream:
            stream.write(f"user:x:{USER}:{USER}::{HOME}:/bin/sh\n")
        (root / HOME[1:]).mkdir()
        (root / outside.SHARED[1:]).mkdir()
        for name in (*outside.NAMES, "/etc/pip.conf", outside.CERTIFICATES):
            path = root / name[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or not path.exists():
                path.unlink(missing_ok=True)
                path.touch()


def give(folder: Path) -> None:
    """Make all that is in a folder the user's."""
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, USER, USER)


def _children(folder: Path, left_out: str) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.name != left_out)


def _key(sources: list[str]) -> str:
    """Return a key of the present package lists and of the way in which roots are made."""
    found = [str(LAYOUT)]
    for line in sources:
        url, suite = line.split()[2:4]
        text = (download.get(f"{url}/dists/{suite}/InRelease") or b"").decode()
        found += re.findall(r"^ ([0-9a-f]{64}) +\d+ main/binary-amd64/Packages\.xz$", text, re.MULTILINE)
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]

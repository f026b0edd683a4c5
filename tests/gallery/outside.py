"""Clients on this host: pages over HTTP, ssh with a key, git over ssh."""

import shlex
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError, URLError

from notos.vm import Machine
from tests.conftest import Tool

SECONDS = 60
_PAUSE = 0.2

Found = TypeVar("Found")


def patiently(ask: Callable[[], Found]) -> Found:
    """Return what `ask` returns, once the server answers.

    A port that accepts a connection does not suffice: `nginx -t`, which runs before nginx, opens all ports.
    """
    end = time.monotonic() + SECONDS
    while True:
        late = time.monotonic() > end
        try:
            return ask()
        except (ConnectionError, HTTPException, EOFError, URLError) as error:
            if late or isinstance(error, HTTPError):
                raise
        time.sleep(_PAUSE)


def page(machine: Machine, port: int, path: str = "/") -> str:
    """Return the page at `path` of the machine's server, once the port accepts connections."""
    address = f"http://127.0.0.1:{machine.wait_for_port(port, seconds=60)}{path}"

    def ask() -> str:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            text: str = answer.read().decode()
        return text

    return patiently(ask)


@dataclass(frozen=True)
class Key:
    """A user's ssh key on this host."""

    path: Path
    words: tuple[str, ...]  # the ssh client with its options, without a port

    @classmethod
    def made(cls, folder: Path, tool: Tool) -> "Key":
        """Return a new key in `folder`."""
        path = folder / "key"
        subprocess.run([*tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        options = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "LogLevel=ERROR",
        )
        words = [each for option in (*options, "IdentitiesOnly=yes") for each in ("-o", option)]
        return cls(path, (*tool("ssh"), "-F", "none", *words, "-i", str(path)))

    @property
    def public(self) -> bytes:
        """Return the line for authorized_keys."""
        return self.path.with_suffix(".pub").read_bytes()

    def ssh(
        self, machine: Machine, user: str, command: str, *, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as `user` by ssh."""
        port = str(machine.forward(22))
        return subprocess.run(
            [*self.words, "-p", port, f"{user}@127.0.0.1", command],
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run this host's git in `folder`, with this key."""
        return subprocess.run(
            ["git", *words],
            cwd=folder,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.path.parent),
                "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_SSH_COMMAND": shlex.join(self.words),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def commit(self, folder: Path, files: dict[str, str]) -> None:
        """Make a repository in `folder`, if necessary, and commit `files` there."""
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        who = ("-c", "user.name=you", "-c", "user.email=you@host.example")
        for words in (
            ("init", "--quiet", "--initial-branch=main"),
            ("add", "."),
            (*who, "commit", "-qm", "x"),
        ):
            done = self.git(folder, *words)
            assert done.returncode == 0, done.stderr

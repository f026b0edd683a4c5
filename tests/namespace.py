"""Network namespaces: shells with a network of their own, in which tests configure interfaces."""

import json
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Namespace:
    """A shell in a network namespace, with busybox in its PATH; iproute2's ip is the judge."""

    def __init__(self, shell: subprocess.Popen[str], ip: Sequence[str]) -> None:
        self._shell = shell
        self.ip = shlex.join(ip)

    def cable(self, one: str, other: str) -> None:
        """Make two interfaces that are connected to each other; the second one is up."""
        self.run(f"{self.ip} link add {one} type veth peer name {other} && {self.ip} link set {other} up")

    @property
    def pid(self) -> int:
        """The process, for `nsenter` and for `ip link set netns`."""
        return self._shell.pid

    def run(self, command: str) -> str:
        """Run a command; return its output, errors included. Raises AssertionError if it fails."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null 2>&1; ended=$?; echo; echo END $ended\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith("END "):
                assert line == "END 0\n", "".join([command, "\n", *lines])
                return "".join(lines)[:-1]
            lines.append(line)
        raise AssertionError(f"the shell ended: {''.join(lines)}")

    def show(self, words: str) -> Any:
        """Return what iproute2's `ip -json WORDS` prints."""
        return json.loads(self.run(f"{self.ip} -json {words}") or "[]")

    def addresses(self, interface: str) -> list[str]:
        """Return the addresses of an interface but those of the link alone, with their prefix lengths."""
        (found,) = self.show(f"address show dev {interface}")
        return [
            f"{each['local']}/{each['prefixlen']}" for each in found["addr_info"] if each["scope"] != "link"
        ]

    def routes(self, family: str = "-4") -> list[str]:
        """Return the routes of the main table but those that come with an address."""
        return [
            " ".join(
                str(each[key]) for key in ("dst", "gateway", "metric") if each.get(key) not in (None, 1024)
            )
            for each in self.show(f"{family} route")
            if each.get("protocol") != "kernel"
        ]


@contextmanager
def namespace(busybox: Sequence[str], ip: Sequence[str], folder: Path) -> Iterator[Namespace]:
    """Start a namespace; its PATH has `busybox` below `folder`. Skip the test where the host has none."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True, parents=True)
    for name in ("busybox", "udhcpc"):
        applet = "" if name == "busybox" else name
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(busybox)} {applet} "$@"\n')
        (programs / name).chmod(0o755)
    words = ["unshare", "--map-root-user", "--net", *busybox, "ash"]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"},
    ) as shell:
        made = Namespace(shell, ip)
        try:
            made.run("busybox ip link set lo up")
        except (AssertionError, BrokenPipeError) as error:
            shell.kill()
            pytest.skip(f"this host has no network namespaces: {error}")
        try:
            yield made
        finally:
            shell.kill()

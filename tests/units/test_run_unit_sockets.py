"""run-unit: sockets that a service inherits."""

import socket
import sys
from pathlib import Path

import pytest

from tests.units.unit_scene import Scene, shell

PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
SHOW = """
import os, socket, stat
print(os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"], os.environ["LISTEN_PID"] == str(os.getpid()))
for fd in range(3, 3 + int(os.environ["LISTEN_FDS"])):
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        one = socket.socket(fileno=os.dup(fd))
        print(one.family.name, one.type.name, one.getsockname(), os.get_blocking(fd))
    else:
        print("file", stat.S_ISFIFO(os.fstat(fd).st_mode))
"""
PROGRAM = ("start", ":", PYTHON, "p", "-c", SHOW)


def said(scene: Scene, *lines: tuple[str, ...]) -> list[str]:
    status, log = scene.result(*lines, PROGRAM)
    assert status == 0, log
    return log.splitlines()


def test_a_service_inherits_its_sockets(scene: Scene) -> None:
    lines = [
        ("listen", "stream", "/run/x/one.sock", "first"),
        ("listen", "stream", "127.0.0.1:4001", "second"),
        ("listen", "datagram", "[::1]:4002", "third"),
        ("listen", "stream", "4003", "fourth", "v6only=both", "reuseport=yes", "nodelay=yes"),
        ("listen", "sequential", "@abstract", "fifth"),
        ("listen", "fifo", "/run/fifo", "sixth"),
        ("listen", "special", "/dev/null", "seventh"),
        ("listen", "netlink", "route 1", "eighth"),
    ]
    assert said(scene, *lines) == [
        "8 first:second:third:fourth:fifth:sixth:seventh:eighth True",
        "AF_UNIX SOCK_STREAM /run/x/one.sock True",
        "AF_INET SOCK_STREAM ('127.0.0.1', 4001) True",
        "AF_INET6 SOCK_DGRAM ('::1', 4002, 0, 0) True",
        "AF_INET6 SOCK_STREAM ('::', 4003, 0, 0) True",
        "AF_UNIX SOCK_SEQPACKET b'\\x00abstract' True",
        "file True",
        "file False",
        "AF_NETLINK SOCK_RAW " + said_netlink(scene),
    ]


def said_netlink(scene: Scene) -> str:
    """Return the address that the kernel gave to the netlink socket: the process id and the groups."""
    return scene.log.read_text().splitlines()[-1].partition("SOCK_RAW ")[2]


def test_non_blocking_sockets(scene: Scene) -> None:
    lines = [("nonblocking", "yes"), ("listen", "stream", "/run/one", "first")]
    assert said(scene, *lines)[1].endswith(" False")


def test_owner_and_mode_of_a_socket(scene: Scene) -> None:
    options = ("mode=0640", "dirmode=0711", "user=web", "group=log", "symlink=/run/links/two")
    lines = [("listen", "stream", "/run/new/one", "first", *options)]
    show = "stat -c '%U %G %a' /run/new/one; stat -c %a /run/new; readlink /run/links/two"
    assert scene.result(*lines, shell(show))[1].split() == ["web", "log", "640", "711", "/run/new/one"]


def test_the_files_of_sockets(scene: Scene) -> None:
    stays, goes = (
        ("listen", "stream", "/run/one", "a"),
        ("listen", "stream", "/run/two", "a", "removeonstop=yes"),
    )
    assert scene.result(stays, goes, shell("true"))[0] == 0
    assert (scene.run / "one").is_socket()
    assert not (scene.run / "two").exists()
    assert scene.result(stays, goes, shell("true"))[0] == 0  # an old file is replaced


def test_sockets_stay_open_over_restarts(scene: Scene) -> None:
    lines = [("listen", "stream", "/run/one", "first"), ("restart", "on-failure"), ("restartsec", "300000")]
    code = "import os, socket; c, _ = socket.socket(fileno=3).accept(); c.send(b'hi'); os._exit(1)"
    with scene.start(
        *lines, ("startlimit", "100000000", "9"), ("start", "", PYTHON, "p", "-c", code)
    ) as running:
        running.until("active")
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(30)
                client.connect(str(scene.run / "one"))
                assert client.recv(2) == b"hi"
        running.stop()


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("1.2.3.4:80", "Address not available"),
        ("127.0.0.1:99999", "Invalid"),
        ("/proc/x/y", "No such file"),
        ("[::1", "Invalid"),
    ],
)
def test_a_socket_that_cannot_be_made(scene: Scene, address: str, error: str) -> None:
    status, log = scene.result(("listen", "stream", address, "x"), shell("echo started"))
    assert status == 1
    assert f"cannot listen on {address}: {error}" in log
    assert "started" not in log


def test_a_socket_as_standard_input(scene: Scene) -> None:
    lines = [("listen", "stream", "/run/one", "first"), ("stdin", "socket"), ("stdout", "journal")]
    _, log = scene.result(*lines, shell("readlink /proc/self/fd/0"))
    assert log.startswith("socket:")


def test_an_address_of_an_interface(scene: Scene) -> None:
    """Its scope is after the port, a name or a number."""
    scene.before = "ip addr add fe80::1/64 dev lo nodad"
    lines = [
        ("listen", "stream", f"[fe80::1]:{4000 + at}%{each}", "x") for at, each in enumerate(("lo", "1"))
    ]
    found = said(scene, ("listen", "stream", "[::1]:80", "x"), *lines)
    assert "'fe80::1" in found[2]
    status, log = scene.result(("listen", "stream", "[fe80::1]:80%none", "x"), PROGRAM)
    assert status == 1
    assert "cannot listen on [fe80::1]:80%none: No such device" in log


@pytest.mark.parametrize("family", ["generic", "xfrm", "inet-diag"])
def test_families_of_netlink(scene: Scene, family: str) -> None:
    number = {"generic": 16, "xfrm": 6, "inet-diag": 4}[family]  # linux/netlink.h
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, number).close()
    except OSError:
        pytest.skip("this kernel does not have it")
    assert said(scene, ("listen", "netlink", family, "x"))[1].startswith("AF_NETLINK SOCK_RAW")


def test_large_buffers(scene: Scene) -> None:
    """Root may exceed net.core.rmem_max, and the service gets what its unit says."""
    code = "from socket import *; s = socket(fileno=3); "
    code += "print(*(s.getsockopt(SOL_SOCKET, each) for each in (SO_RCVBUF, SO_SNDBUF)))"
    line = ("listen", "datagram", "127.0.0.1:4001", "x", "rcvbuf=50000000", "sndbuf=50000000")
    assert scene.result(line, ("start", ":", PYTHON, "p", "-c", code))[1] == "100000000 100000000\n"

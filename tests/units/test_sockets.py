"""Sockets. The facts are those of systemd.socket(5); systemd-analyze verify judges addresses."""

import re
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.units.model import Translation
from notos.units.plan import parsed
from notos.units.translate import translate
from tests.units.conftest import Systemd
from tests.units.made import context, files

SERVICE = "[Service]\nExecStart=/bin/true\n"


def made(name: str = "x.service", **units: str) -> Translation:
    return translate(name, files({each.replace("_", "."): text for each, text in units.items()}), context())


def listeners(found: Translation) -> list[tuple[str, ...]]:
    return [line[1:] for line in parsed(found.plan) if line[0] == "listen"]


def test_options() -> None:
    socket = (
        "[Socket]\nListenStream=%t/%p.sock\nListenDatagram=0.0.0.0:53\nListenFIFO=/run/f\n"
        "ListenNetlink=route 1\n"
        "ListenSpecial=/dev/x\nListenSequentialPacket=@abc\nSocketMode=0660\nSocketUser=root\nSocketGroup=adm\n"
        "Backlog=128\nBindIPv6Only=both\nReusePort=yes\nFreeBind=no\nKeepAliveTimeSec=1500ms\n"
        "PipeSize=1M\n"
        "Symlinks=/a /b\nFileDescriptorName=n\nRemoveOnStop=yes\n"
    )
    found = made(x_service=SERVICE, x_socket=socket)
    options = (
        *("mode=660", "backlog=128", "v6only=both", "reuseport=yes", "keepalivetime=2", "pipesize=1048576"),
        *("removeonstop=yes", "user=root", "group=adm", "symlink=/a", "symlink=/b"),
    )
    assert [each[:3] for each in listeners(found)] == [
        ("stream", "/run/x.sock", "n"),
        ("datagram", "0.0.0.0:53", "n"),
        ("fifo", "/run/f", "n"),
        ("netlink", "route 1", "n"),
        ("special", "/dev/x", "n"),
        ("sequential", "@abc", "n"),
    ]
    assert all(each[3:] == options for each in listeners(found))
    assert (found.users, found.groups, found.sockets) == (("root",), ("adm",), ("x.socket",))


def test_the_name_of_a_descriptor_is_the_socket_s() -> None:
    assert listeners(made(x_service=SERVICE, x_socket="[Socket]\nListenStream=80\n")) == [
        ("stream", "80", "x.socket")
    ]


ADDRESSES = (
    *("80", "0", "65536", "1.2.3.4:80", "1.2.3.4", "[::1]:80", "::1:80", "/a/b", "a", "@a", "@", "/a/../b"),
    *(
        "[::1]:0",
        "[fe80::1]:80%eth0",
        "vsock::1234",
        "vsock:2:1234",
        "/" + "x" * 108,
        "/var/run/x",
        "1.2.3.4:x",
        "/a b",
        "[1.2.3.4]:80",
        "٣",
        "@" + "x" * 107,
        "/" + "ä" * 60,
        "vsock-stream:2:1234",
        "vsock:2:4294967296",
    ),
)


FAMILIES = (
    *("firewall", "inet-diag", "nflog", "xfrm", "selinux", "iscsi", "audit", "fib-lookup", "connector"),
    *("netfilter", "ip6-fw", "dnrtmsg", "generic", "scsitransport", "ecryptfs", "rdma"),
)


def test_the_judge_of_addresses_is_systemd(systemd: Systemd, tmp_path: Path) -> None:
    lines = [f"{key}={each}" for key in ("ListenStream", "ListenSequentialPacket") for each in ADDRESSES]
    lines += [f"ListenFIFO={each}" for each in ("/a", "a", "/a/../b")]
    lines += [
        f"ListenNetlink={each}" for each in ("route 5", "route", "foo 1", "audit x", "kobject-uevent 1")
    ]
    lines += [f"ListenNetlink={each}" for each in FAMILIES]
    text = "\n".join(("[Socket]", "Accept=no", *lines, ""))
    (tmp_path / "x.socket").write_text(text)
    (tmp_path / "x.service").write_text(SERVICE)
    verdict = systemd.verify(tmp_path / "x.socket")
    theirs = {line for line, message in verdict.lines.items() if "legacy directory" not in message}
    notes = made(x_service=SERVICE, x_socket=text).notes
    ours = {int(line) for note in notes for line in re.findall(r"x\.socket:(\d+): ", note)}
    numbered = text.splitlines()
    assert sorted(numbered[at - 1] for at in ours ^ theirs) == []
    assert len(theirs) > 10


@pytest.mark.parametrize(
    ("service", "used"),
    [
        (f"{SERVICE}", True),  # nothing else starts it
        (f"{SERVICE}[Install]\nWantedBy=multi-user.target\n", False),
        (f"{SERVICE}[Install]\nWantedBy=multi-user.target\nAlso=x.socket\n", True),
        (f"[Unit]\nRequires=x.socket\n{SERVICE}[Install]\nWantedBy=multi-user.target\n", True),
        (f"{SERVICE}Sockets=x.socket\n[Install]\nWantedBy=multi-user.target\n", True),
        (f"[Unit]\nAfter=x.socket\n{SERVICE}[Install]\nWantedBy=multi-user.target\n", False),
    ],
)
def test_the_sockets_of_a_service(service: str, used: bool) -> None:
    socket = "[Socket]\nListenStream=80\n"
    assert made(x_service=service, x_socket=socket).sockets == (("x.socket",) if used else ())
    assert made("x.socket", x_service=service, x_socket=socket).sockets == ("x.socket",)


def test_several_sockets() -> None:
    units = {
        "x.service": f"{SERVICE}Sockets=a.socket b.socket\n",
        "a.socket": "[Socket]\nListenStream=1\n",
        "b.socket": "[Socket]\nListenStream=2\nService=x.service\n",
    }
    assert [each[1:] for each in listeners(translate("x.service", files(units), context()))] == [
        *(("1", "a.socket"), ("2", "b.socket"))
    ]


def test_a_socket_whose_service_has_another_name() -> None:
    found = made("y.socket", x_service=SERVICE, y_socket="[Socket]\nListenStream=1\nService=x.service\n")
    assert (found.unit, found.sockets) == ("x.service", ("y.socket",))


def test_one_process_for_each_connection() -> None:
    units = {
        "x@.service": f"{SERVICE}StandardInput=socket\n",
        "x.socket": "[Socket]\nListenStream=1\nAccept=yes\n",
    }
    found = translate("x.socket", files(units), context())
    assert found.unit == "x@0.service"
    assert ("accept", "64") in parsed(found.plan)


def test_commands_of_the_socket() -> None:
    socket = "[Socket]\nListenStream=1\nExecStartPre=-/a\nExecStartPost=/b\nExecStopPost=/c\n"
    found = made(x_service=f"{SERVICE}User=u\nExecStartPre=/d\n", x_socket=socket)
    assert [line for line in parsed(found.plan) if line[0] in ("pre", "stoppost")] == [
        *(("pre", "-+", "/a", "/a"), ("pre", "+", "/b", "/b"), ("stoppost", "+", "/c", "/c")),
        ("pre", "", "/d", "/d"),
    ]


def test_errors() -> None:
    with pytest.raises(NotosError, match=r"its socket x\.socket has no valid Listen"):
        made(x_service=SERVICE, x_socket="[Socket]\nListenStream=x\n")
    with pytest.raises(NotosError, match=r"/x\.socket:2: ListenMessageQueue= is not supported"):
        made(x_service=SERVICE, x_socket="[Socket]\nListenMessageQueue=/x\nListenStream=1\n")
    with pytest.raises(NotosError, match=r"no package has the unit x\.service"):
        made("x.socket", x_socket="[Socket]\nListenStream=1\n")


def test_settings_of_the_config() -> None:
    units = {"x.service": SERVICE, "x.socket": "[Socket]\nListenStream=80\n"}
    given = {"Socket.ListenStream": ["", "8080"], "LimitNOFILE": "5"}
    found = translate("x.service", files(units), context(overrides=given))
    assert listeners(found) == [("stream", "8080", "x.socket")]
    assert ("limit", "NOFILE", "5", "5") in parsed(found.plan)


@pytest.mark.parametrize("kind", ["vsock", "vsock-stream", "vsock-dgram"])
def test_the_key_has_the_type_of_a_socket(kind: str) -> None:
    """As in systemd, where ListenStream= wins."""
    assert listeners(made(x_service=SERVICE, x_socket=f"[Socket]\nListenStream={kind}:2:1234\n")) == [
        ("stream", "vsock:2:1234", "x.socket")
    ]

"""Setuid programs and file capabilities, from packages to the shell fragment of the activation."""

import io
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from notos.debian import deb
from notos.debian.deb import Attributes
from notos.errors import NotosError
from notos.formats.tree import File, Symlink, Tree
from notos.integration import registry, setuid
from notos.system import wrappers
from tests.integration.packages import laid_out, script
from tests.signed_archive import Deb

ACCOUNTS = {
    "passwd": "root:x:0:0::/root:/bin/sh\n",
    "group": "root:x:0:\ncrontab:x:101:\nmessagebus:x:102:\n",
}
SUDO = Deb("sudo", files={"usr/bin/sudo": b"sudo"}, modes={"usr/bin/sudo": 0o4755})
MOUNT = Deb("mount", files={"bin/mount": b"mount"}, modes={"bin/mount": 0o4755})
# As in Debian's iputils-ping, cron and dbus.
PING = Deb(
    "iputils-ping",
    files={"bin/ping": b"ping"},
    scripts={
        "postinst": script(
            "PROGRAM=$(dpkg-divert --truename /bin/ping)",
            'if [ "$1" = configure ]; then',
            "  if command -v setcap > /dev/null; then",
            "    if setcap cap_net_raw+ep $PROGRAM; then chmod u-s $PROGRAM; else chmod u+s $PROGRAM; fi",
            "  else",
            "    chmod u+s $PROGRAM",
            "  fi",
            "fi",
        )
    },
)
CRON = Deb(
    "cron",
    files={"usr/bin/crontab": b"crontab"},
    scripts={
        "postinst": script(
            "crongroup=crontab",
            "if ! dpkg-statoverride --list /usr/bin/crontab >/dev/null; then",
            "  dpkg-statoverride --update --add root $crongroup 2755 /usr/bin/crontab",
            "fi",
        )
    },
)
SETCAP = Deb("libcap2-bin", files={"sbin/setcap": b"setcap"})


def system(folder: Path, *made: Deb, **settings: Any) -> Tree:
    """Return system-path's tree for these packages."""
    tree, context = laid_out(folder, made, {"setuid": settings})
    registry.apply(tree, context)
    stripped = Tree()
    for path, entry in tree.items():
        stripped.add(path.removeprefix("usr/"), entry) if path != "usr" else None
    return stripped


def table(tree: Tree) -> dict[str, tuple[str, ...]]:
    entry = tree.get(setuid.TABLE.removeprefix("usr/"))
    rows = json.loads(entry.read()) if isinstance(entry, File) else []
    return {row["name"]: (row["mode"], row["owner"], row["group"], row["capabilities"]) for row in rows}


def test_programs_of_named_packages_are_links_to_their_copies(tmp_path: Path) -> None:
    tree = system(tmp_path, SUDO, MOUNT, CRON, packages=["sudo", "cron"])
    assert table(tree) == {
        "crontab": ("2755", "root", "crontab", ""),
        "sudo": ("4755", "root", "root", ""),
    }
    assert tree.get("bin/sudo") == Symlink("/run/wrappers/bin/sudo")
    assert isinstance(tree.get("libexec/wrapped/sudo"), File)
    assert isinstance(tree.get("bin/mount"), File)


def test_a_helper_of_a_library_is_selected(tmp_path: Path) -> None:
    """PAM runs it for users who are not root; nobody names its package."""
    files = {"usr/sbin/unix_chkpwd": b"1"}
    helper = Deb("libpam-modules-bin", files=files, modes={"usr/sbin/unix_chkpwd": 0o2755})
    module = Deb("libpam-modules", files={"usr/lib/x86_64-linux-gnu/security/pam_unix.so": b""})
    assert table(system(tmp_path, helper, packages=[])) == {}
    assert table(system(tmp_path, helper, module, programs=[])) == {}
    found = system(tmp_path, helper, module, packages=[])
    assert table(found) == {"unix_chkpwd": ("2755", "root", "root", "")}
    assert found.get("sbin/unix_chkpwd") == Symlink("/run/wrappers/bin/unix_chkpwd")


def test_a_list_selects_by_name_or_path(tmp_path: Path) -> None:
    made = (SUDO, MOUNT, CRON)
    assert set(table(system(tmp_path, *made, programs=["sudo", "/bin/mount"]))) == {"mount", "sudo"}
    assert table(system(tmp_path, *made, programs=[])) == {}
    with pytest.raises(NotosError) as raised:
        system(tmp_path, *made, programs=["sud", "fusermount3"])
    assert [(each.hint, each.keys) for each in raised.value.parts] == [
        ("did you mean sudo?", ("setuid", "sud")),
        ("the system's packages have crontab, mount, sudo", ("setuid", "fusermount3")),
    ]


def test_capabilities_need_setcap_as_in_debian(tmp_path: Path) -> None:
    without = system(tmp_path, PING, packages=["iputils-ping"])
    assert table(without) == {"ping": ("4755", "root", "root", "")}
    tree = system(tmp_path, PING, SETCAP, packages=["iputils-ping"])
    assert table(tree) == {"ping": ("0755", "root", "root", "cap_net_raw+ep")}
    assert wrappers.fragment(tree, ACCOUNTS).endswith('setcap cap_net_raw+ep "$wrappers"/ping\n')


TOOL = Deb("tool", files={"usr/bin/tool": b"setuid"}, modes={"usr/bin/tool": 0o4755})
DIVERT = "dpkg-divert --add --rename --divert /usr/bin/tool.real /usr/bin/tool"


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_the_attribute_stays_with_a_diverted_program(tmp_path: Path, name: str) -> None:
    other = Deb(name, files={"usr/bin/tool": b"plain"}, scripts={"preinst": script(DIVERT)})
    tree = system(tmp_path, TOOL, other, packages=[name, "tool"])
    assert table(tree) == {"tool.real": ("4755", "root", "root", "")}
    entries = [tree.get(each) for each in ("bin/tool", "libexec/wrapped/tool.real")]
    assert [entry.read() for entry in entries if isinstance(entry, File)] == [b"plain", b"setuid"]


@pytest.mark.parametrize("name", ["aaa", "zzz"])
@pytest.mark.parametrize("content", [b"plain", b"setuid"])
def test_a_plain_program_that_replaces_a_setuid_one_is_plain(
    tmp_path: Path, name: str, content: bytes
) -> None:
    other = Deb(name, files={"bin/tool": content}, replaces="tool")
    assert table(system(tmp_path, TOOL, other, packages=[name, "tool"])) == {}


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        ("install -m 755 /usr/share/other /usr/bin/tool", None),
        ("echo plain >/tmp/t; mv /tmp/t /usr/bin/tool", None),
        ("rm /usr/bin/tool; cp /usr/share/other /usr/bin/tool", None),
        ("rm /usr/bin/tool; echo plain >/usr/bin/tool", None),
        ("install -m 2755 -g crontab /usr/share/other /bin/tool", "2755"),
        ("cp /usr/share/other /usr/bin/tool", "4755"),
        ("chmod u-s /usr/bin/tool", None),
    ],
)
def test_a_program_that_a_script_replaces_has_the_mode_of_the_new_one(
    tmp_path: Path, line: str, mode: str | None
) -> None:
    other = Deb("zzz", files={"usr/share/other": b"plain"}, scripts={"postinst": script(line)})
    found = table(system(tmp_path, TOOL, other, packages=["tool", "zzz"]))
    assert found == ({"tool": (mode, "root", "crontab" if mode == "2755" else "root", "")} if mode else {})


def test_the_script_of_a_diverted_program_finds_it(tmp_path: Path) -> None:
    other = Deb(
        "other",
        files={"bin/ping": b"plain"},
        scripts={"preinst": script("dpkg-divert --add --rename --divert /bin/ping.real /bin/ping")},
    )
    for more in ((), (SETCAP,)):
        tree = system(tmp_path, PING, other, *more, packages=["iputils-ping", "other"])
        assert set(table(tree)) == {"ping.real"}


def test_a_hard_link_has_the_attributes_of_its_file(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as archive:
        for name, kind in (("./usr/bin/a", tarfile.REGTYPE), ("./usr/bin/b", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.linkname = kind, 0o4755, "./usr/bin/a"
            archive.addfile(member)
    (tmp_path / "x.deb").write_bytes(Deb("x").build(data={"data.tar.xz": stream.getvalue()}))
    found: dict[str, Attributes] = {}
    deb.read(tmp_path / "x.deb", attributes=found)
    assert {path: each.mode for path, each in found.items()} == dict.fromkeys(
        ("usr/bin/a", "usr/bin/b"), 0o4755
    )


def test_the_fragment_makes_the_copies(tmp_path: Path) -> None:
    """A shell runs it here, with the owner of this process in place of root."""
    tree = system(tmp_path, SUDO, CRON, packages=["sudo", "cron"])
    own = {
        "passwd": f"root:x:{os.getuid()}:0:::\n",
        "group": f"root:x:{os.getgid()}:\ncrontab:x:{os.getgid()}:\n",
    }
    text = wrappers.fragment(tree, own)
    (tmp_path / "usr/libexec/wrapped").mkdir(parents=True)
    for name in ("sudo", "crontab"):
        entry = tree.get(f"libexec/wrapped/{name}")
        assert isinstance(entry, File)
        (tmp_path / "usr/libexec/wrapped" / name).write_bytes(entry.read())
    folder = tmp_path / "copies"
    folder.mkdir()
    text = text.replace("/usr/libexec", str(tmp_path / "usr/libexec"))
    subprocess.run(["sh", "-ec", text], env={**os.environ, "wrappers": str(folder)}, check=True)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    assert modes == {"sudo": 0o4755, "crontab": 0o2755}


def test_an_owner_without_an_account_is_an_error(tmp_path: Path) -> None:
    tree = system(tmp_path, CRON, packages=["cron"])
    with pytest.raises(NotosError, match="crontab belongs to crontab, which has no account"):
        wrappers.fragment(tree, {"passwd": ACCOUNTS["passwd"], "group": "root:x:0:\n"})


def test_a_machine_without_such_programs_has_no_fragment(tmp_path: Path) -> None:
    assert wrappers.fragment(system(tmp_path, MOUNT), ACCOUNTS) == ""

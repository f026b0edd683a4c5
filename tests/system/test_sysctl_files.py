"""Files of sysctl.d: which settings count, and what the boot writes of them."""

import subprocess
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.formats.tree import File, Symlink, Tree
from notos.system.sysctl_files import table
from tests.conftest import ROOT, Tool

KEYS = {"sysctl.d/a.conf": ("etc", "sysctl.d/a.conf")}


def made(etc: dict[str, str] | None = None, usr: dict[str, str] | None = None) -> str:
    of_etc, of_usr = Tree(), Tree()
    for name, content in (etc or {}).items():
        of_etc.add(name, File(content.encode()))
    for name, content in (usr or {}).items():
        of_usr.add(f"lib/{name}", File(content.encode()))
    return table(of_etc, of_usr, KEYS)


def test_the_last_value_counts_and_etc_replaces_usr() -> None:
    usr = {"sysctl.d/10.conf": "vm.swappiness=1\nkernel.panic = 5\n", "sysctl.d/20.conf": "vm.swappiness = 2"}
    assert made(usr=usr) == "kernel/panic 5\nvm/swappiness 2\n"
    assert made({"sysctl.d/20.conf": "# none\n"}, usr) == "vm/swappiness 1\nkernel/panic 5\n"
    last = {"sysctl.conf": "net/ipv4/conf/eth0.1/rp_filter = 1\n; x\n", "sysctl.d/20.conf": ""}
    assert made(last, usr).endswith("net/ipv4/conf/eth0.1/rp_filter 1\n")


def test_each_kind_of_pattern_counts() -> None:
    text = "net.ipv4.conf.eth?.rp_filter = 2\nkernel.panic = 5\n"
    assert made({"sysctl.d/a.conf": text}) == "kernel/panic\nnet/ipv4/conf/eth?/rp_filter 2\nkernel/panic 5\n"


def test_a_link_to_null_masks_a_file() -> None:
    etc, usr = Tree(), Tree()
    etc.add("sysctl.d/10.conf", Symlink("/dev/null"))
    usr.add("lib/sysctl.d/10.conf", File(b"kernel.panic=5\n"))
    assert table(etc, usr, {}) == ""


def test_wrong_lines_of_the_config_are_errors() -> None:
    with pytest.raises(NotosError) as caught:
        made({"sysctl.d/a.conf": "vm.swappiness\n\nnet.core.somaxconn =\n = 5\n/etc/x = 1\n"})
    assert [str(each).partition(": ")[0] for each in caught.value.parts] == [
        f"/etc/sysctl.d/a.conf:{number}" for number in (1, 3, 4, 5)
    ]
    assert {each.keys for each in caught.value.parts} == {KEYS["sysctl.d/a.conf"]}
    assert made(usr={"sysctl.d/b.conf": "vm.swappiness\nkernel.panic=1\n"}) == "kernel/panic 1\n"


def test_patterns(tmp_path: Path, tool: Tool) -> None:
    """A setting with a line of its own, or after a hyphen alone, is not that of a pattern (sysctl.d(5))."""
    settings = made(
        {
            "sysctl.d/b.conf": "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n"
            "net.ipv4.conf.lo.rp_filter = 0\n-kernel.absent = 1\nkernel.missing = 1\nkernel.words = a b  c\n"
        }
    )
    sys = tmp_path / "proc/sys"
    for name in ("all", "lo", "eth0"):
        (sys / f"net/ipv4/conf/{name}").mkdir(parents=True)
        (sys / f"net/ipv4/conf/{name}/rp_filter").write_text("1")
    (sys / "kernel").mkdir()
    (sys / "kernel/words").write_text("")
    (tmp_path / "sysctl").write_text(settings)
    text = (ROOT / "runit/boot/06-sysctl").read_text().replace("/proc/", f"{tmp_path}/proc/")
    text = text.replace("/run/current-system", str(tmp_path))
    for name in ("modules", "settings"):
        text = text.replace(f"@{name}@", "''")
    done = subprocess.run([*tool("busybox"), "sh", "-c", text], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"sysctl: this kernel has no {sys}/kernel/missing\n", "")
    values = {name: (sys / f"net/ipv4/conf/{name}/rp_filter").read_text() for name in ("all", "lo", "eth0")}
    assert values == {"all": "1", "lo": "0\n", "eth0": "2\n"}
    assert (sys / "kernel/words").read_text() == "a b  c\n"

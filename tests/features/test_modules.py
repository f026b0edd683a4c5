"""Shell files of kernel modules: device nodes, and the kernel's requests, with recording commands."""

import subprocess
from pathlib import Path

import pytest

from notos import loader
from notos.features import registry
from tests.conftest import ROOT

# The real commands need root, and a kernel that permits devices.
RECORDED = "".join(f'{name}() {{ echo {name} "$@"; }}\n' for name in ("chgrp", "chmod", "mkdir", "mknod"))


def run(script: str, *words: str, path: str = "/usr/bin:/bin") -> str:
    done = subprocess.run(
        ["sh", "-c", script, "sh", *words], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


def test_nodes_of_modules_that_load_at_their_first_use(tmp_path: Path) -> None:
    index = tmp_path / "modules/6.12/modules.devname"
    index.parent.mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/cuse").touch()
    index.write_text(
        "# Device nodes to trigger on-demand module loading.\n"
        "cuse cuse c10:203\ntun net/tun c10:200\nloop loop-control c10:237\nmd md0 b9:0\n"
    )
    text = (ROOT / "runit/boot/05-modules").read_text().replace("modules=@modules@", "modules=")
    text = text.replace("/lib/modules/", f"{tmp_path}/modules/").replace("/dev/", f"{tmp_path}/dev/")
    text = text.replace("/proc/sys", str(tmp_path))
    said = run(RECORDED + text).replace(f"{tmp_path}/", "/").splitlines()
    assert said == [
        "chmod 0600 /dev/cuse",
        "mkdir -p /dev/net",
        "mknod -m 0666 /dev/net/tun c 10 200",
        "mknod -m 0660 /dev/loop-control c 10 237",
        "chgrp disk /dev/loop-control",
        "mknod -m 0600 /dev/md0 b 9 0",
    ]


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        # The kernel requests nft-expr-masq next, which the machine may have.
        ("nft-expr-1-masq", ""),
        ("nft-expr-masq", "for: nftables"),
        ("nft-chain-2-nat", "for: nftables"),
        ("fs-overlay", "for: containers"),
        ("fs-none", "for: filesystems"),
    ],
)
def test_reports_of_missing_modules(tmp_path: Path, name: str, reported: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/modprobe").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/modprobe").chmod(0o755)
    log = tmp_path / "log"
    log.touch()
    text = (ROOT / "runit/modprobe").read_text().replace("/dev/kmsg", str(log))
    text = text.replace("PATH=/usr/sbin:", f"PATH={tmp_path}/bin:/usr/sbin:")
    text = text.replace("/run/missing-modules", f"{tmp_path}/missing")
    for _ in range(2):  # a name is reported once
        run(text, "-q", "--", name)
    assert (reported in log.read_text()) if reported else log.read_text() == ""
    (tmp_path / "bin/modprobe").write_text("#!/bin/sh\nexit 0\n")
    log.write_text("")
    run(text, "-q", "--", "other")
    assert log.read_text() == ""


@pytest.mark.parametrize(("purpose", "shared"), [("containers", True), ("all", True), ("wireguard", False)])
def test_containers_share_mounts(tmp_path: Path, purpose: str, shared: bool) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"name: x\nkernel: {{for: {purpose}}}\n")
    features = registry.features(loader.load(config).machine)
    assert any(each.path == "boot/07-containers" for each in features.scripts) == shared

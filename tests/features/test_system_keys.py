"""Keys that set up the running system: sysctl, modules, mounts, locale, time zone, keymap, hosts."""
# ruff: noqa: E501 — a case of the table is one line

import subprocess
from pathlib import Path

import pytest

from notos.config.model import LocaleName
from notos.config.types import FILE_SYSTEMS
from notos.errors import ConfigError, PackageError
from notos.features import keymap, locale, mounts, registry, sysctl
from notos.features.model import Features, Text
from notos.formats.tree import Tree
from tests.conftest import ROOT
from tests.features.conftest import Load


def script(features: Features, path: str) -> dict[str, object]:
    (found,) = [each for each in features.scripts if each.path == path]
    return dict(found.values)


def etc(features: Features, path: str) -> str:
    (found,) = [each for each in features.etc if each.path == path]
    assert isinstance(found.content, Text)
    return found.content.text


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        # sysctl.d(5): the first separator decides.
        ("net.ipv4.conf.eth0/5.forwarding", "net/ipv4/conf/eth0.5/forwarding"),
        ("net/ipv4/conf/eth0.5/forwarding", "net/ipv4/conf/eth0.5/forwarding"),
    ],
)
def test_names_of_settings(name: str, path: str) -> None:
    assert sysctl.path(name) == path


def test_settings(load: Load) -> None:
    text = "sysctl: {net.ipv4.tcp_rmem: 4096 131072 6291456, kernel.panic: -1, vm.overcommit_memory: true, net/ipv4/ip_forward: 1}"
    assert script(registry.features(load(text)), "boot/06-sysctl") == {
        "modules": [],
        "settings": "net/ipv4/ip_forward 1\nnet/ipv4/ping_group_range 0 2147483647\nnet/ipv4/tcp_rmem 4096 131072 6291456\nkernel/panic -1\nvm/overcommit_memory 1",
    }


def test_settings_of_modules(load: Load) -> None:
    features = registry.features(
        load("sysctl: {net.bridge.bridge-nf-call-iptables: 1, net.netfilter.nf_conntrack_max: 9}")
    )
    assert script(features, "boot/06-sysctl")["modules"] == ["br_netfilter", "nf_conntrack"]
    assert {"br_netfilter", "nf_conntrack"} <= {each.module for each in features.requirements}


def test_patterns_of_settings(load: Load, tmp_path: Path) -> None:
    """They match what exists at boot, quietly, and interfaces that are made later; other settings replace them."""
    for name in ("all", "default", "eth0"):
        (tmp_path / "sys/net/ipv4/conf" / name).mkdir(parents=True)
        (tmp_path / "sys/net/ipv4/conf" / name / "rp_filter").touch()
    machine = load(
        "network: {eth0: dhcp, br0: {bridge: []}, br1: {bridge: []}}\n"
        "sysctl: {net.ipv4.conf.eth0.rp_filter: 2, net.ipv4.conf.br1.rp_filter: 2, net.ipv4.conf.*.rp_filter: 1,"
        " net.ipv6.conf.none*.x: 1, vm.lost: 1}"
    )
    text = (ROOT / "runit/boot/06-sysctl").read_text().replace("/proc/", f"{tmp_path}/")
    settings = str(script(registry.features(machine), "boot/06-sysctl")["settings"])
    text = text.replace("@modules@", "").replace("settings=@settings@", f"settings='{settings}'")
    said = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert said.stdout == "".join(
        f"sysctl: this kernel has no {tmp_path}/sys/{each}\n"
        for each in ("net/ipv4/ping_group_range", "vm/lost")
    )
    assert [
        (tmp_path / f"sys/net/ipv4/conf/{each}/rp_filter").read_text() for each in ("all", "default", "eth0")
    ] == [
        "1\n",
        "1\n",
        "2\n",
    ]
    assert sysctl.late(machine) == {"net/ipv4/conf/br0/rp_filter": "1", "net/ipv4/conf/br1/rp_filter": "2"}


WRONG = [
    ("sysctl: {kernel.mod*: x}", "sysctl.kernel.modprobe, which sysctl.kernel.mod* matches, is set by Notos"),
    ("sysctl: {ipv4.ip_forward: 1}", 'did you mean "net.ipv4.ip_forward"?'),
    ("sysctl: {kernle.panic: 1}", 'the kernel has no folder /proc/sys/kernle; did you mean "kernel"?'),
    ("sysctl: {vm.swappiness: 1, vm/swappiness: 2}", "is the same setting as sysctl.vm.swappiness, on line 2"),
    ("sysctl: {vm.swappiness: ''}", "sysctl.vm.swappiness is empty"),
    ("sysctl: {kernel.modprobe: /bin/true}", "is set by Notos"),
    ("sysctl: {swappiness: 1}", "a key of sysctl must be a kernel setting"),
    ("sysctl: {vm.swappiness: [1]}", "write vm.swappiness: 1"),
    ("modprobe: {loop: {max_loop: 'a\"b'}}", "no way to pass a double quote"),
    ("modprobe: {loop: max_loop=3}", "modprobe.loop must be a map"),
    ("modules_load: [loop]\nmodprobe: {blacklist: [loop]}", "modprobe.blacklist has loop, which modules_load loads"),
    ("mounts: {/usr/x: {}}", "/usr/x is part of the system"),
    ("mounts: {/etc: {}}", "/etc is part of the system"),
    ("mounts: {/var: {}}", "/var has state of the boot itself, in /var/lib/notos"),
    ("mounts: {/var/lib/notos/x: {}}", "/var/lib/notos/x has state of the boot itself"),
    ("mounts: {/srv: {}}\nfiles: {/srv/a/b: {text: x}}", "files./srv/a/b is on the file system that mounts./srv, on line 2"),
    ("mounts: {/srv/a: {device: 'nas:/a'}}\nfiles: {/srv/a: {text: x}}", "files./srv/a is on the file system"),
    ("mounts: {data: {}}", "a key of mounts must be a mount point"),
    ("mounts: {/a/../b: {}}", "has . or .. in it"),
    ("mounts: {/data: {device: sda1, type: ext4}}", "ext4 on /data needs a device"),
    ("mounts: {/data: {device: /dev/vdc, type: btfrs}}", 'virtiofs, xfs); got "btfrs"; did you mean "btrfs"?'),
    ("mounts: {/data: {device: /dev/vdc, type: q}}", "mounts./data.type must be a file system's type (9p, bcachefs, "),
    ("mounts: {/data: {device: LABEL=x, type: tmpfs}}", "tmpfs on /data has no device; leave LABEL=x out"),
    ("mounts: {/data: {type: xfs}}", "xfs on /data needs a device, LABEL= or UUID=, not tmpfs"),
    ("mounts: {/data: {device: /dev/vdc, type: virtiofs}}", "virtiofs on /data needs a tag"),
    ("mounts: {/data: {device: /dev/vdc, type: nfs}}", "nfs on /data needs SERVER:/FOLDER, not /dev/vdc"),
    ("mounts: {/data: {device: 'nas:/a', type: cifs}}", "cifs on /data needs //SERVER/SHARE"),
    ("mounts: {/data: {device: //nas, type: ext4}}", "ext4 on /data needs a device"),
    ("mounts: {/data: {device: /dev/vda}}", "/dev/vda is the root image"),
    ("disk: 1G\nmounts: {/data: {device: /dev/vdb}}", "/dev/vdb is the machine's `disk`"),
    ("mounts: {/data: {options: 'a, b'}}", "has a blank"),
    ("locale: deutsch", "locale must be a locale"),
    ("timezone: Europe Berlin", "timezone must be a time zone"),
    ("hosts: {localhost: 10.0.0.1}", "localhost is always 127.0.0.1"),
    ("hosts: {nas: 10.0.0.256}", "hosts.nas must be an IP address"),
    ("hosts: {nas: []}", "hosts.nas has no address"),
    ("kernel: {for: [nftable]}", 'did you mean "nftables"?'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text for text, _ in WRONG])
def test_wrong(load: Load, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"{text}\n")
    assert message in str(caught.value)


def test_parameters_of_modules(load: Load) -> None:
    text = (
        "modprobe: {loop: {max_loop: 3, hw_queue_depth: 8}, m-x: {s: a b, debug: true}, blacklist: [pcspkr]}"
    )
    features = registry.features(load(text))
    assert etc(features, "modprobe.d/notos.conf") == (
        'blacklist pcspkr\noptions loop max_loop=3 hw_queue_depth=8\noptions m_x s="a b" debug=Y\n'
    )
    assert features.modules == {"loop": ("modprobe", "loop"), "m_x": ("modprobe", "m_x")}


def test_mounts(load: Load) -> None:
    text = """mounts:
  /srv/a/b: {device: LABEL=data, type: xfs, options: [noatime, nodev], required: true}
  /srv/a: {options: size=64m}
  /nas: {device: "nas:/export"}
  /share: {device: //nas/share}
  /old: {device: /srv/a, options: bind}
  /old/tmp: {}
  /loop: {device: /srv/a/image, options: loop}
"""
    features = registry.features(load(text))
    assert str(script(features, "boot/08-mounts")["table"]).split("\n") == [
        "/srv/a tmpfs tmpfs size=64m no",
        "/srv/a/b LABEL=data xfs noatime,nodev yes",
    ]
    # What is not a drive may be created by stage-2; what is mounted below it comes after it.
    assert str(script(features, "boot/11-mounts")["table"]).split("\n") == [
        "/old /srv/a none bind no",
        "/loop /srv/a/image ext4 loop no",
        "/old/tmp tmpfs tmpfs defaults no",
    ]
    assert str(script(features, "boot/25-mounts")["table"]).split("\n") == [
        "/nas nas:/export nfs defaults no",
        "/share //nas/share cifs defaults no",
    ]
    assert {"nfs-common", "cifs-utils"} <= {each.name for each in features.packages}
    assert {"xfs", "nfs", "nfsv4", "cifs"} <= {each.module for each in features.requirements}


def test_the_config_has_the_types_of_mounts() -> None:
    assert {*FILE_SYSTEMS} == {*mounts._KINDS, mounts._BIND}


@pytest.mark.parametrize(
    ("text", "when", "module"),
    [
        ("{device: share, type: virtiofs}", "08", "virtiofs"),
        ("{device: share, type: 9p, options: trans=virtio}", "08", "9p"),
        ("{device: /dev/sr0, type: squashfs}", "08", "squashfs"),
        ("{device: debugfs}", "08", ""),
        ("{type: overlay, options: 'lowerdir=/srv/a:/srv/b'}", "11", "overlay"),
        ("{device: /srv/x, type: none, options: rbind}", "11", None),
        ("{device: '192.0.2.1:6789,192.0.2.2:6789:/', type: ceph}", "25", "ceph"),
        ("{device: 'a@f.fs=/', type: ceph}", "25", "ceph"),
        ("{device: '[fd00::1]:/x'}", "25", "nfs"),
    ],
)
def test_types_of_mounts(load: Load, text: str, when: str, module: str | None) -> None:
    features = registry.features(load(f"mounts: {{/data: {text}}}"))
    assert any(each.path == f"boot/{when}-mounts" for each in features.scripts)
    modules = [each.module for each in features.requirements if each.keys == ("mounts", "/data")]
    assert modules[:1] == ([] if module is None else [module])


@pytest.mark.parametrize(
    ("name", "folder"),
    [("de_DE.UTF-8", "de_DE.utf8"), ("de_DE", "de_DE"), ("de_DE@euro", "de_DE@euro"), ("sr_RS.UTF-8@latin", "sr_RS.utf8@latin"), ("C.UTF-8", "C.utf8")],
)  # fmt: skip
def test_the_folder_of_a_locale(name: str, folder: str) -> None:
    assert locale.compiled(LocaleName(name)) == folder


def test_locales(load: Load) -> None:
    features = registry.features(load("locale: [de_DE.UTF-8, C.UTF-8, en_GB.UTF-8]"))
    assert etc(features, "default/locale") == "LANG=de_DE.UTF-8\n"
    assert etc(features, "ssh/sshd_config.d/zz-locale.conf") == "SetEnv LANG=de_DE.UTF-8\n"
    assert [each.path for each in features.choices] == ["de_DE.utf8", "en_GB.utf8"]
    plain = registry.features(load(""))
    assert etc(plain, "default/locale") == "LANG=C.UTF-8\n"
    assert (plain.choices, "locales-all" in {each.name for each in plain.packages}) == ((), False)


def test_hosts(load: Load) -> None:
    text = "hostname: box\nhosts: {nas: [10.0.0.5, 'FD00::5'], backup: 10.0.0.5}"
    assert etc(registry.features(load(text)), "hosts") == (
        "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 box\n10.0.0.5 nas backup\nfd00::5 nas\n"
    )
    own = etc(registry.features(load("hostname: box\nhosts: {box: 10.0.0.9}")), "hosts")
    assert own == "127.0.0.1 localhost\n::1 localhost\n10.0.0.9 box\n"


def test_keymaps() -> None:
    system = Tree()
    for name in ("i386/qwertz/de-latin1", "i386/azerty/fr", "i386/include/part"):
        system.text(f"share/keymaps/{name}.kmap.gz", "")
    assert keymap.conf(system, "fr") == "KEYMAP=fr\n"
    for wrong, hint in (("de", "did you mean de-latin1?"), ("part", "look in the package")):
        with pytest.raises(PackageError) as caught:
            keymap.conf(system, wrong)
        assert hint in str(caught.value)
        assert caught.value.keys == ("keymap",)

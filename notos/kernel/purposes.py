"""Kernel modules by purpose, for `kernel.for`: what a machine does, in place of a list of modules.

The kernels of different packages have different modules, so a purpose names them by patterns of their paths
below kernel/. Modules in `needed` must exist, or be built in.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

ALL = "all"


class Purpose(NamedTuple):
    """A purpose: a description for the docs, modules, and packages that cannot work without them."""

    doc: str
    paths: tuple[str, ...]  # patterns without .ko and the compression's suffix
    needed: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()  # those that need the modules in `needed`
    others: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # packages that need other modules

    def needs(self, package: str) -> tuple[str, ...] | None:
        """Return the modules without which a package cannot work; None for a package of other purposes."""
        return self.others.get(package, self.needed if package in self.packages else None)


_NETFILTER = (
    "net/netfilter/nf_*",
    "net/netfilter/nfnetlink*",
    "net/ipv4/netfilter/nf_*",
    "net/ipv6/netfilter/nf_*",
)
_NFTABLES = (*_NETFILTER, "net/netfilter/nft_*", "net/ipv?/netfilter/nft_*")
_IPTABLES = (
    *_NFTABLES,
    "net/netfilter/x_tables",
    "net/netfilter/xt_*",
    "net/netfilter/ipset/*",
    "net/ipv4/netfilter/*",
    "net/ipv6/netfilter/*",
)
_FILE_SYSTEMS = """
bcachefs btrfs erofs exfat ext4 f2fs fat fuse hfs hfsplus isofs jfs nls ntfs3 overlayfs squashfs udf xfs
"""
_SHARED = """
nfs nfsd nfs_common lockd smb netfs ceph 9p
"""
_BRIDGE = ("net/bridge/*", "net/8021q/*", "net/802/*", "net/llc/*")

PURPOSES: Mapping[str, Purpose] = {
    ALL: Purpose("every module of the kernel", ("*",)),
    "bluetooth": Purpose("Bluetooth adapters", ("net/bluetooth/*", "drivers/bluetooth/*"), ("bluetooth",)),
    "bridge": Purpose("bridges and VLANs, with their packet filters", _BRIDGE, ("bridge",)),
    "containers": Purpose(
        "podman, docker and lxc: overlays, virtual networks, NAT",
        (
            *_IPTABLES,
            *_BRIDGE,
            *("fs/overlayfs/*", "fs/fuse/*", "drivers/net/veth", "drivers/net/macvlan"),
            *(
                "drivers/net/ipvlan/*",
                "drivers/net/tun",
                "drivers/net/dummy",
                "drivers/net/vxlan/*",
                "net/ipv?/*udp_tunnel",
            ),
        ),
        ("overlay", "veth", "bridge", "nf_tables", "nft_compat"),
        ("podman", "docker.io", "containerd", "lxc", "buildah", "netavark"),
    ),
    "encryption": Purpose(
        "encrypted drives (LUKS)",
        (
            *("drivers/md/dm-mod", "drivers/md/dm-crypt", "drivers/md/dm-integrity"),
            *("crypto/*", "arch/*/crypto/*"),
        ),
        ("dm_crypt",),
        ("cryptsetup", "cryptsetup-bin"),
    ),
    "filesystems": Purpose(
        "file systems of drives and removable media",
        tuple(f"fs/{each}/*" for each in _FILE_SYSTEMS.split()),
    ),
    "input": Purpose(
        "keyboards, mice and touch screens",
        ("drivers/hid/*", "drivers/input/*"),
        ("evdev",),
        ("xserver-xorg-input-libinput", "weston", "cage", "sway", "labwc"),
    ),
    "iptables": Purpose(
        "iptables, ip6tables, ipset",
        _IPTABLES,
        ("nf_tables", "nft_compat", "ip_tables"),
        ("iptables", "ufw", "shorewall", "ferm"),
        {"ipset": ("ip_set",)},
    ),
    "network_storage": Purpose(
        "NFS, CIFS, Ceph and iSCSI, as client and server",
        (
            *(f"fs/{each}/*" for each in _SHARED.split()),
            *("fs/cachefiles/*", "net/sunrpc/*", "net/ceph/*", "net/9p/*", "net/dns_resolver/*"),
            *("drivers/scsi/*iscsi*", "drivers/scsi/scsi_transport_iscsi", "drivers/target/*", "fs/nls/*"),
        ),
        ("nfs",),
        ("nfs-common",),
        {"nfs-kernel-server": ("nfsd",), "cifs-utils": ("cifs",), "open-iscsi": ("iscsi_tcp",)},
    ),
    "nftables": Purpose("nft", _NFTABLES, ("nf_tables",), ("nftables", "firewalld")),
    "raid": Purpose(
        "RAID and logical volumes",
        ("drivers/md/*", "crypto/async_tx/*", "lib/raid6/*", "crypto/xor"),
        ("dm_mod", "md_mod"),
        others={"mdadm": ("md_mod",), "lvm2": ("dm_mod",)},
    ),
    "screen": Purpose("graphics", ("drivers/gpu/*", "drivers/video/*"), ("drm",)),
    "sound": Purpose("sound cards", ("sound/*",), ("snd",)),
    "traffic_control": Purpose(
        "queues and classifiers of tc", ("net/sched/*", "drivers/net/ifb"), ("sch_htb",)
    ),
    "tun": Purpose(
        "OpenVPN and other programs with a tunnel of their own",
        ("drivers/net/tun", "drivers/net/tap", "drivers/net/macvtap"),
        ("tun",),
        ("openvpn", "tinc", "openconnect", "vpnc"),
    ),
    "usb": Purpose(
        "USB devices", ("drivers/usb/*", "drivers/hid/usbhid/*", "drivers/net/usb/*"), ("usbcore",)
    ),
    "virtual_machines": Purpose(
        "QEMU with KVM in the machine",
        ("arch/*/kvm/*", "virt/*", "drivers/vhost/*", "drivers/net/t[au][np]", "net/vmw_vsock/*"),
        ("kvm",),
    ),
    "wireguard": Purpose(
        "WireGuard",
        ("drivers/net/wireguard/*", "net/ipv?/*udp_tunnel"),
        ("wireguard",),
        ("wireguard-tools",),
    ),
    "wireless": Purpose(
        "Wi-Fi adapters",
        ("net/wireless/*", "net/mac80211/*", "net/rfkill/*", "drivers/net/wireless/*"),
        ("cfg80211",),
        ("wpasupplicant", "iwd", "hostapd"),
    ),
}


def modules(paths: Mapping[str, str], purposes: Iterable[str]) -> list[str]:
    """Return the names of modules for purposes, sorted; `paths` has the modules' paths by name."""
    globs = [f"kernel/{glob}" for each in purposes for glob in PURPOSES[each].paths]
    if not globs:
        return []
    matches = re.compile("|".join(fnmatch.translate(glob) for glob in dict.fromkeys(globs))).match
    return sorted(name for name, path in paths.items() if matches(path.partition(".ko")[0]))


def serves(package: str) -> bool:
    """Return True if a purpose names the package."""
    return any(each.needs(package) is not None for each in PURPOSES.values())


def wanting(packages: Iterable[str], present: Callable[[str], bool]) -> dict[str, str]:
    """Return the packages that lack modules which they need, each with the first purpose that has them.

    `present` returns True for the name of a module that the machine has, or that is built into its kernel.
    """
    found = {}
    for package in packages:
        serving = {
            name: needed for name, each in PURPOSES.items() if (needed := each.needs(package)) is not None
        }
        if serving and not any(all(map(present, needed)) for needed in serving.values()):
            found[package] = next(iter(serving))
    return found

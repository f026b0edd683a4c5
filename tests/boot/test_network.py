"""A router: two networks, a bridge with a VLAN on it, IPv6, kernel settings, modules, a locale, a time zone.

A second machine is on its network and gets what the router's DHCP server gives.
"""

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

ROUTER = """
name: router
system: {packages: [busybox, iproute2, {nftables: {closure: depends}}]}
kernel: {for: [nftables, bridge]}
network:
  eth0: dhcp
  "52:54:00:AA:00:01": {address: [192.168.10.1/24, "fd00:10::1/64"]}
  lan: {bridge: [eth2, eth3], address: 192.168.20.1/24, routes: {10.8.0.0/16: 192.168.20.5}, mtu: 1400}
  lan.5: {vlan: {id: 5, link: lan}, address: 10.5.0.1/24}
  search: [home.arpa]
sysctl:
  net.ipv4.ip_forward: 1
  net.ipv6.conf.all.forwarding: true
  net/ipv4/conf/lan.5/rp_filter: 2
  net.ipv4.no_such_thing: 1
  net.bridge.bridge-nf-call-iptables: 0
modules_load: [dummy]
modprobe: {dummy: {numdummies: 3}, loop: {max_loop: 3}, blacklist: [pcspkr]}
locale: [de_DE.UTF-8, C.UTF-8]
timezone: Europe/Amsterdam
hosts: {nas: [192.168.10.5, "fd00:10::5"]}
mounts:
  /data: {device: tmpfs, options: [size=64m, mode=0750]}
  /lost: {device: /dev/vdz}
  /home: {options: mode=0755}
  /homes: {device: /home, options: bind}
users: {alice: {}}
etc:
  udhcpd.conf:
    text: |
      interface lan
      start 192.168.20.20
      end 192.168.20.20
      lease_file /run/leases
      pidfile /run/udhcpd.pid
      option subnet 255.255.255.0
      option router 192.168.20.1
      option dns 192.168.20.1
      option domain lan.example
      option staticroutes 10.9.0.0/16 192.168.20.1, 0.0.0.0/0 192.168.20.1
services:
  dhcpd: {run: "touch /run/leases; exec busybox udhcpd -f /etc/udhcpd.conf"}
  env: {run: "env >/run/env; exec sleep 1000000"}
vm: {networks: {eth2: lan-of-tests}, forward: {2222: 22}}
"""

CLIENT = """
name: client
system: {packages: [busybox]}
hostname: client
network:
  eth0: dhcp
  eth1: {method: dhcp, address: "fd00:20::2/64"}
vm: {networks: {eth1: lan-of-tests}}
kernel_params: [quiet, panic=-1, 'loop.max_loop=5', 'dummy.nothing="a b"']
kernel: {modules: [loop]}
"""


def test_router(built: Project, machine_factory: MachineFactory) -> None:
    router = machine_factory.at(built.build("router", ROUTER).script)
    router.wait_for_unit("dhcpd")
    addresses = router.succeed("ip -o address")
    for interface, address in (
        ("eth0", "10.0.2.15/24"),
        ("eth1", "192.168.10.1/24"),
        ("eth1", "fd00:10::1/64"),
        ("lan", "192.168.20.1/24"),
        ("lan.5", "10.5.0.1/24"),
    ):
        assert any(f" {interface} " in line and f" {address} " in line for line in addresses.splitlines())
    routes = router.succeed("ip route")
    assert "default via 10.0.2.2 dev eth0" in routes
    assert "10.8.0.0/16 via 192.168.20.5 dev lan" in routes
    link = router.succeed(
        "ip -d link show lan.5; ip -d link show lan; ip link show master lan; bridge -c=never link"
    )
    assert "vlan protocol 802.1Q id 5" in link
    assert "mtu 1400" in link
    assert "eth2" in link
    assert "eth3" in link
    assert router.succeed("cat /etc/resolv.conf") == "search home.arpa\nnameserver 10.0.2.3\n"
    settings = "net/ipv4/ip_forward net/ipv6/conf/all/forwarding net/ipv4/conf/lan.5/rp_filter"
    assert (
        router.succeed(f"cd /proc/sys; cat {settings} net/bridge/bridge-nf-call-iptables") == "1\n1\n2\n0\n"
    )
    assert any("no /proc/sys/net/ipv4/no_such_thing" in line.text for line in router.console.lines)
    assert router.succeed("ls -d /sys/class/net/dummy* | wc -l") == "3\n"
    assert router.succeed("modprobe loop; ls -d /sys/block/loop* | wc -l") == "3\n"
    assert router.succeed("nft add table inet t; nft list tables") == "table inet t\n"
    assert router.succeed("grep -c . /sys/fs/cgroup/cgroup.controllers") == "1\n"
    assert router.succeed("getent hosts nas 2>/dev/null || grep nas /etc/hosts").startswith(
        ("fd00:10::5", "192.168")
    )
    assert "size=65536k,mode=750" in router.succeed("grep ' /data ' /proc/mounts")
    # Drives are mounted before anything is created on them; a folder elsewhere after it exists.
    assert router.succeed("stat -c %U-%a /homes/alice; grep -c ' /home' /proc/mounts") == "alice-700\n2\n"
    assert any(
        "mounts: /lost is not mounted: there is no /dev/vdz" in line.text for line in router.console.lines
    )
    environment = router.succeed("cat /run/env").splitlines()
    assert "LANG=de_DE.UTF-8" in environment
    assert router.succeed("ls /usr/lib/locale").split() == ["C.utf8", "de_DE.utf8"]
    assert router.succeed("TZ= date +%z; date -d @1700000000 +%H%Z").split()[-1] == "23CET"
    # A module that the machine lacks is reported, with what to write.
    router.execute("ip link add w0 type wireguard")
    router.wait_for_console("this machine lacks; write kernel: {for: wireguard}")

    client = machine_factory.at(built.build("client", CLIENT).script)
    client.wait_until_succeeds("ip -o address show eth1 | grep ' 192.168.20.20/24 '")
    assert "fd00:20::2/64" in client.succeed("ip address show eth1")
    assert sorted(client.succeed("ip route | grep via").splitlines()) == [
        "10.9.0.0/16 via 192.168.20.1 dev eth1  metric 100 ",
        "default via 10.0.2.2 dev eth0 ",
        "default via 192.168.20.1 dev eth1  metric 100 ",
    ]
    names = "search lan.example\nnameserver 10.0.2.3\nnameserver 192.168.20.1\n"
    assert client.succeed("cat /etc/resolv.conf") == names
    client.succeed("ping -c 1 192.168.10.1")
    assert "client" in router.succeed(
        "dumpleases -f /run/leases; kill -USR1 $(cat /run/udhcpd.pid); sleep 1; dumpleases -f /run/leases"
    )
    assert (
        client.succeed("cat /sys/module/loop/parameters/max_loop; ls -d /sys/block/loop* | wc -l") == "5\n5\n"
    )
    assert client.shutdown() == 0
    assert router.shutdown() == 0

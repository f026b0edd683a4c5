"""Two machines with a WireGuard tunnel between them."""

from pathlib import Path

from tests.gallery.machines import Gallery

OTHER = """\
[Interface]
Address = 10.7.0.2/24, fd00:7::2/64
ListenPort = 51820
PrivateKey = KByuWXyhkyiCzpYds+SuMvFfzDvd/mt98wD7lUrTFUI=

[Peer]
PublicKey = Qtj3xJxWEixD4RfarMOlmr3aaRNgrMlXTA3Hi75jXCQ=
AllowedIPs = 10.7.0.0/24, fd00:7::/64
Endpoint = 192.168.50.1:51820
"""


def test_a_tunnel(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "wg0.conf").write_text(OTHER)
    machine = gallery("wireguard")
    other = gallery(
        "wireguard",
        {
            "name": "wireguard-2",
            "network": {"eth1": {"address": "192.168.50.2/24"}},
            "files": {"/etc/wireguard/wg0.conf": {"source": str(tmp_path / "wg0.conf")}},
        },
    )
    assert machine.succeed("stat -L -c %a /etc/wireguard/wg0.conf") == "600\n"
    assert "listening port: 51820" in machine.succeed("wg show wg0")
    for address in ("10.7.0.1", "fd00:7::1"):
        other.wait_until_succeeds(f"ping -c 1 -W 2 {address}", seconds=30)
    gallery.works(machine)
    assert "latest handshake" in machine.succeed("wg show wg0")
    received, sent = machine.succeed("wg show wg0 transfer").split()[1:]
    assert int(received) > 0 and int(sent) > 0

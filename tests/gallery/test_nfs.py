"""A file server with NFS, and a second machine that mounts its folder."""

from pathlib import Path

from tests.gallery.machines import Gallery

CLIENT = """
name: nfs-client
kernel: {for: network_storage}
network: {eth0: dhcp, eth1: {address: 192.168.55.2/24}}
system: {packages: [nfs-common]}
vm: {networks: {eth1: files}}
"""


def test_a_second_machine_shares_the_folder(gallery: Gallery, tmp_path: Path) -> None:
    server = gallery("nfs", environment={"DISK": str(tmp_path / "disk.img")})
    (tmp_path / "client.yaml").write_text(CLIENT)
    client = gallery.at(tmp_path / "client.yaml")
    server.wait_for_open_port(2049, seconds=60)
    mount = "mount -t nfs4 192.168.55.1:/ /mnt"
    client.wait_until_succeeds(mount, seconds=60)
    assert client.succeed("cat /mnt/readme.txt") == "hello from nfs\n"
    gallery.works(server)
    # Root of another host is nobody here.
    client.fail("echo x >/mnt/of-root")
    server.succeed("mkdir -m 1777 /srv/shared")
    client.succeed("echo written >/mnt/shared/file")
    assert server.succeed("cat /srv/shared/file; stat -c %U /srv/shared/file") == "written\nnobody\n"
    # Both see the same locks and, after the server's reboot, the same files.
    client.succeed("umount /mnt")
    server.reboot()
    client.wait_until_succeeds(mount, seconds=90)
    assert client.succeed("cat /mnt/shared/file") == "written\n"

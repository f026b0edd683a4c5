"""Containers with podman, as root and as a user, from an image without a registry."""

from notos.vm import Machine
from tests.gallery.machines import Gallery
from tests.gallery.outside import page

# A root file system with busybox and its libraries.
IMAGE = r"""
mkdir -p /var/tmp/image/bin /var/tmp/image/lib /var/tmp/image/lib64 && cd /var/tmp/image
cp -L /bin/busybox bin/
for name in sh id ip httpd sleep; do ln -s busybox bin/$name; done
loader=/lib64/ld-linux-x86-64.so.2
cp -L $loader lib64/
cp -L $($loader --list /bin/busybox | sed -n 's/.* => \(.*\) (.*/\1/p') lib/
echo hello >index.html
tar -cf /var/tmp/image.tar .
"""


def as_alice(command: str) -> str:
    return f"su - alice -c '{command}'"


def serves_a_page(machine: Machine, port: int, prefix: str = "{}") -> None:
    run = f"podman run --detach --publish {port}:80 tiny httpd -f -h /"
    machine.succeed(prefix.format(run), seconds=120)
    machine.wait_until_succeeds(f"wget -q -O - http://127.0.0.1:{port}/index.html", seconds=30)
    assert page(machine, port, "/index.html") == "hello\n"


def test_containers_of_root(gallery: Gallery) -> None:
    machine = gallery("podman", scope="module")
    machine.succeed(IMAGE)
    machine.succeed("podman import /var/tmp/image.tar tiny", seconds=120)
    assert machine.succeed("podman run --rm tiny id -u", seconds=120) == "0\n"
    # A network of its own, with a forwarded port: overlay, veth, bridge and NAT by nft.
    serves_a_page(machine, 8080)
    gallery.works(machine)
    assert "overlay" in machine.succeed("podman info --format '{{.Store.GraphDriverName}}'")
    assert "the kernel requested" not in machine.succeed("dmesg")


def test_containers_of_a_user(gallery: Gallery) -> None:
    machine = gallery("podman", scope="module")
    imported = machine.run(as_alice("podman import /var/tmp/image.tar tiny"), seconds=120)
    assert imported.status == 0 and "not a shared mount" not in imported.err
    assert machine.succeed(as_alice("podman run --rm tiny id -u"), seconds=120) == "0\n"
    serves_a_page(machine, 8081, "su - alice -c '{}'")
    # Root in the container is alice outside, and has the numbers of /etc/subuid.
    assert (
        machine.succeed("ps -o user,args | grep '[h]ttpd -f -h /$' | cut -d' ' -f1 | sort -u")
        == "alice\nroot\n"
    )
    mapped = machine.succeed(as_alice("podman unshare cat /proc/self/uid_map")).split()
    assert mapped == ["0", "1000", "1", "1", "100000", "65536"]
    assert machine.succeed("stat -c %a /dev/net/tun /dev/fuse").split() == ["666", "666"]

"""File servers, containers, a tunnel, a firewall, Debian's ssh server, and timers."""

from typing import ClassVar

from notos.vm import Machine
from tests.services.daemon import Daemon, Life

SMB = "cd /tmp && smbclient -N //127.0.0.1/share -c"
MOUNT = "mount -t nfs4 -o soft,timeo=50,retrans=1 127.0.0.1:/srv/share /mnt"


class TestLab(Life):
    DAEMONS: ClassVar[tuple[Daemon, ...]] = (
        Daemon(
            "smbd",
            f"{SMB} 'get hello'",
            write=f"echo kept >/tmp/smb && {SMB} 'put smb'",
            read="grep kept /srv/share/smb",
        ),
        Daemon(
            "nfs-server",
            f"{MOUNT} && cat /mnt/hello; status=$?; umount /mnt; exit $status",
            once=True,
            write=f"{MOUNT} && echo kept >/mnt/nfs; status=$?; umount /mnt; exit $status",
            read="grep kept /srv/share/nfs",
        ),
        Daemon("vsftpd", "curl -sSf ftp://127.0.0.1/ -u alice:example"),
        Daemon(
            "podman",
            "curl -sf --unix-socket /run/podman/podman.sock http://d/v1.40/version | grep Version",
            reload=False,
        ),
        Daemon("wg-quick-wg0", "wg show wg0 listen-port | grep 51820", once=True),
        Daemon("nftables", "nft list table inet lab | grep 9999", once=True),
        Daemon(
            "ssh",
            "ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | grep ed25519",
            write="ssh-keyscan -t ed25519 127.0.0.1 >/var/lib/misc/ssh 2>/dev/null",
            read="ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | cmp - /var/lib/misc/ssh",
        ),
    )

    def test_timers(self, booted: Machine) -> None:
        """The unit of the user runs every five seconds, and Debian's logrotate by its changed times."""
        booted.wait_until_succeeds("[ $(grep -c ran /var/lib/misc/own) -ge 3 ]", 120)
        booted.succeed("date >/var/log/lab.log")
        booted.wait_until_succeeds("[ -s /var/log/lab.log.1 ]", 120)

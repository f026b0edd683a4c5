"""A place for backups: another machine writes one with Borg over ssh, and restores it."""

from pathlib import Path

from tests.gallery.machines import Gallery
from tests.gallery.outside import Key


def test_a_backup_and_its_restore(gallery: Gallery, key: Key, tmp_path: Path) -> None:
    """The client is a second machine of the same image, with another disk."""
    server = gallery(
        "backup",
        environment={"DISK": str(tmp_path / "server.img")},
        instance={"authorized_keys.d/borg": key.public},
    )
    client = gallery(
        "backup",
        name="client",
        environment={"DISK": str(tmp_path / "client.img")},
        instance={"credentials/key": key.path.read_bytes()},
    )
    server.wait_for_boot()
    remote = (
        f"export BORG_REPO=ssh://borg@10.0.2.2:{server.forward(22)}/./laptop BORG_PASSPHRASE=example "
        "BORG_RSH='ssh -i /run/credentials/key -o StrictHostKeyChecking=no'; "
    )
    client.succeed("mkdir -p /srv/data && echo kept >/srv/data/file")
    client.succeed(f"{remote} borg init --encryption repokey", seconds=120)
    client.succeed(f"{remote} borg create ::monday /srv/data", seconds=120)
    gallery.works(server)

    client.succeed("rm -r /srv/data")
    client.succeed(f"{remote} cd / && borg extract ::monday", seconds=120)
    assert client.succeed("cat /srv/data/file") == "kept\n"
    # The repository is encrypted, on the server's disk, and the key permits nothing else.
    server.fail("grep -r kept /srv/borg/laptop")
    assert "Permission denied" not in key.ssh(server, "borg", "id").stderr
    assert "uid=" not in key.ssh(server, "borg", "id").stdout
    outside = client.fail(
        f"{remote} borg init --encryption none ssh://borg@10.0.2.2:{server.forward(22)}/tmp/x"
    )
    assert "path" in outside.lower()

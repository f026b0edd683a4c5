"""A git server: pushes and pulls by ssh with a key, and nothing else."""

from pathlib import Path

from tests.gallery.machines import Gallery
from tests.gallery.outside import Key


def test_a_repository(gallery: Gallery, key: Key, tmp_path: Path) -> None:
    """A second clone has the commits of the first, also after a reboot."""
    machine = gallery(
        "git",
        environment={"DISK": str(tmp_path / "disk.img")},
        instance={"authorized_keys.d/git": key.public},
    )
    machine.wait_for_boot()
    address = f"ssh://git@127.0.0.1:{machine.forward(22)}/srv/git/project.git"
    key.commit(tmp_path / "mine", {"readme": "hello\n"})
    pushed = key.git(tmp_path / "mine", "push", address, "main")
    assert pushed.returncode == 0, pushed.stderr
    gallery.works(machine)

    machine.reboot()
    address = f"ssh://git@127.0.0.1:{machine.forward(22)}/srv/git/project.git"
    cloned = key.git(tmp_path, "clone", "--branch", "main", address, "theirs")
    assert cloned.returncode == 0, cloned.stderr
    assert (tmp_path / "theirs/readme").read_text() == "hello\n"

    # The account has no shell for commands, and a key is necessary.
    done = key.ssh(machine, "git", "id")
    assert done.returncode == 128 and "unrecognized command 'id'" in done.stderr
    words = ["/dev/null" if each == str(key.path) else each for each in key.words]
    other = Key(Path("/dev/null"), tuple(words))
    assert "Permission denied" in other.ssh(machine, "git", "id").stderr

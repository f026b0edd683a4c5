"""A CI runner: a push by ssh is built by Nix, and the push shows the output."""

from pathlib import Path

from tests.gallery.machines import Gallery
from tests.gallery.outside import Key

BUILD = """
derivation {
  name = "greeting";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" "echo running the job >&2; read -r line <${./source}; echo \\"$line\\" >$out" ];
}
"""


def test_a_push_is_built(gallery: Gallery, key: Key, tmp_path: Path) -> None:
    machine = gallery(
        "ci",
        environment={"DISK": str(tmp_path / "disk.img")},
        instance={"authorized_keys.d/ci": key.public},
    )
    machine.wait_until_succeeds("test -S /nix/var/nix/daemon-socket/socket")
    address = f"ssh://ci@127.0.0.1:{machine.forward(22)}/srv/ci/project.git"
    work = tmp_path / "work"
    key.commit(work, {"default.nix": BUILD, "source": "hello\n"})
    pushed = key.git(work, "push", address, "main")
    assert pushed.returncode == 0, pushed.stderr
    assert "running the job" in pushed.stderr
    gallery.works(machine)

    commit = key.git(work, "rev-parse", "HEAD").stdout.strip()
    assert key.ssh(machine, "ci", f"cat results/{commit}").stdout == "hello\n"
    # A build that fails is shown, too; the commit stays.
    key.commit(work, {"default.nix": BUILD.replace("echo running the job >&2;", "echo broken >&2; exit 3;")})
    failed = key.git(work, "push", address, "main")
    assert "broken" in failed.stderr and "failed with exit code 3" in failed.stderr

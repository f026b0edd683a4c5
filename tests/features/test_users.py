"""Mistakes in the config's accounts: names, homes, and files that would replace their keys and rights."""
# ruff: noqa: E501 — a case of the table is one line

from collections.abc import Callable
from pathlib import Path

import pytest

from notos import loader
from notos.config.model import Machine
from notos.errors import ConfigError

Load = Callable[[str], Machine]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPJ+VzpH5H0cc0f0wY9FQ9rGJ6c0PzAB3YC0nJUYQ7cN"
ALICE = f"users: {{alice: {{authorized_keys: [{KEY}]}}}}\n"
SUDO = "users: {alice: {sudo: true}}\n"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Read a config beside a folder `of_etc` with keys of alice and a rule of sudo."""
    for path in ("ssh/authorized_keys.d/alice", "sudoers.d/notos"):
        file = tmp_path / "of_etc" / path
        file.parent.mkdir(parents=True)
        file.write_text("x\n")

    def read(text: str) -> Machine:
        path = tmp_path / "c.yaml"
        path.write_text(f"name: x\n{text}")
        return loader.load(path).machine

    return read


WRONG = [
    ("users: {ALL: {sudo: true}}", "users.ALL.sudo: ALL is a word of sudoers(5)"),
    ("users: {BACKUP_2: {sudo: true}}", "BACKUP_2 is a word of sudoers(5)"),
    ("users: {Defaults: {sudo: true}}", "Defaults is a word of sudoers(5)"),
    ("users: {User_Alias: {sudo: true}}", "User_Alias is a word of sudoers(5)"),
    ("users: {bob: {home: /srv/x}, alice: {home: /srv/x}}", "users.alice.home: /srv/x is the home folder of bob"),
    ("users: {bob: {}, alice: {home: /home/bob}}", "users.alice.home: /home/bob is the home folder of bob"),
    ("users: {alice: {home: /home/bob/a}, bob: {}}", "/home/bob/a lies in the home folder of bob"),
    ("users: {bob: {home: /srv/x, system: true}, a: {home: /srv/x/y}}", "/srv/x/y lies in the home folder of bob"),
    ("users: {alice: {home: /var/lib/notos}}", "/var/lib/notos cannot be a home folder: it is Notos' own"),
    ("users: {alice: {home: /var/run/a}}", "/var/run/a cannot be a home folder: it is empty at each boot"),
    ("users: {alice: {home: /root/alice}}", "users.alice.home must be below a writable folder"),
    (f"{ALICE}etc: {{ssh/authorized_keys.d/alice: {{text: x}}}}", "etc.ssh/authorized_keys.d/alice: users.alice."),
    (f"{ALICE}files: {{/etc/ssh/authorized_keys.d/alice: {{text: x}}}}", "has the keys of alice too"),
    (f"{ALICE}files: {{/etc/ssh/authorized_keys.d/alice: {{link: /srv/k}}}}", "has the keys of alice too"),
    (f"{ALICE}files: {{/etc/ssh: {{source: of_etc/ssh}}}}", "files./etc/ssh: users.alice.authorized_keys has the keys"),
    (f"{SUDO}etc: {{sudoers.d/notos: {{text: x}}}}", "users.alice.sudo writes this file"),
    (f"{SUDO}files: {{/etc/sudoers.d/notos: {{text: x, mode: '0440'}}}}", "users.alice.sudo writes this file"),
    (f"{SUDO}files: {{/etc/sudoers.d: {{source: of_etc/sudoers.d}}}}", "users.alice.sudo writes this file"),
    (
        f"ssh: {{authorized_keys: [{KEY}]}}\nfiles: {{/etc/ssh/authorized_keys.d/root: {{text: x}}}}",
        "ssh.authorized_keys has the keys of root too",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text[:70] for text, _ in WRONG])
def test_wrong(load: Load, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"{text}\n")
    assert message in str(caught.value)
    assert str(caught.value).count(message) == 1


@pytest.mark.parametrize(
    "text",
    [
        "users: {ALL: {}, alice: {sudo: true}}",
        "users: {Alice: {sudo: true}, _a: {sudo: true}, A.B: {sudo: true}}",
        "users: {bob: {home: /srv/x}, alice: {home: /srv/xy}}",
        "users: {bob: {system: true}, alice: {system: true}}",
        f"{ALICE}files: {{/etc/ssh: {{source: of_etc/ssh, exclude: [authorized_keys.d]}}}}",
        f"{ALICE}files: {{/etc/ssh: {{source: of_etc/ssh, exclude: [alice]}}}}",
        f"{ALICE}files: {{/etc/ssh/authorized_keys.d/bob: {{text: x}}}}\netc: {{sudoers.d/notos: {{text: x}}}}",
    ],
)
def test_right(load: Load, text: str) -> None:
    load(f"{text}\n")

"""/etc/machine-id."""

from pathlib import Path

import pytest

from notos.formats.tree import Symlink
from notos.integration import machine_id, registry
from tests.integration.packages import laid_out, script
from tests.integration.test_accounts import BASE
from tests.signed_archive import Deb


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("dbus-uuidgen --ensure", Symlink(machine_id.TARGET)),
        ("systemd-machine-id-setup || true", Symlink(machine_id.TARGET)),
        ("true", None),
    ],
)
def test_exists_where_a_script_creates_it(tmp_path: Path, line: str, entry: Symlink | None) -> None:
    tree, context = laid_out(tmp_path, [BASE, Deb("dbus-daemon", scripts={"postinst": script(line)})])
    registry.apply(tree, context)
    assert tree.get(machine_id.PATH) == entry

"""Mechanisms over made-up packages."""

from pathlib import Path
from typing import NoReturn

import pytest

from notos.architecture import AMD64
from notos.debian.deb import Attributes
from notos.debian.unpack import Unpack, unpack
from notos.errors import NotosError
from notos.formats.tree import File, Tree
from notos.integration import folders, permissions, registry
from notos.integration.model import Context, installed
from tests.signed_archive import Deb


def test_all_errors_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        __name__ = "fails"

        def apply(self, tree: Tree, context: Context) -> NoReturn:
            raise NotosError("one is wrong")

    monkeypatch.setattr(registry, "MODULES", (Fails(), Fails()))
    with pytest.raises(NotosError) as raised:
        registry.apply(Tree(), Context(AMD64, {}))
    assert [each.message for each in raised.value.parts] == ["one is wrong"] * 2


def test_installed_packages_have_their_control_files_and_attributes(tmp_path: Path) -> None:
    made = Deb("su", files={"bin/su": b"1"}, modes={"bin/su": 0o4755}, scripts={"postinst": "#!/bin/sh\n"})
    path = tmp_path / "su.deb"
    path.write_bytes(made.build())
    debs = [Unpack(path, package="su")]
    attributes: dict[str, Attributes] = {}
    unpack(debs, attributes=attributes)
    assert attributes == {"usr/bin/su": Attributes(0o4755, package="su")}
    assert installed(debs)["su"].control["postinst"] == b"#!/bin/sh\n"


def test_folders_of_packages_have_the_owners_of_maintainer_scripts() -> None:
    """As of prometheus. systemd-tmpfiles refuses a later line for a folder of root in one of an account."""
    tree, path = Tree(), "var/lib/data"
    tree.replace(permissions.TMPFILES, File(f'z "/{path}/sub" - daemon daemon\n'.encode()))
    folders.apply(tree, Context(AMD64, {}, folders=frozenset((path, f"{path}/sub"))))
    entry = tree.get(folders.TMPFILES)
    assert isinstance(entry, File)
    assert entry.read().decode().splitlines()[1] == f'd "/{path}/sub" 0755 daemon daemon'
    order = [each.__name__ for each in registry.MODULES]
    assert order.index(permissions.__name__) < order.index(folders.__name__)

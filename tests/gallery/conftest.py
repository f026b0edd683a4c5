"""The fixture and the option of the gallery's tests."""

from pathlib import Path

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import Tool
from tests.gallery.machines import Gallery
from tests.gallery.outside import Key


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of a whole run. The default suite, which runs three of the machines, lacks it."""
    parser.addoption("--figures", type=Path, help="folder for the figures of docs/gallery.md")


@pytest.fixture(scope="session")
def gallery(pytestconfig: pytest.Config, machine_factory: MachineFactory) -> Gallery:
    """Return a factory of the machines in examples/machines."""
    return Gallery(machine_factory, pytestconfig.getoption("--figures", default=None))


@pytest.fixture
def key(tmp_path: Path, tool: Tool) -> Key:
    """Return an ssh key of a user of this host."""
    return Key.made(tmp_path, tool)

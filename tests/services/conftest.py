"""The machine of a test module, with a drive, and a test for each of its daemons."""

from pathlib import Path

import pytest

from notos.vm import Machine
from notos.vm.plugin import MachineFactory


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Call the tests of a class once for each of its daemons."""
    if "daemon" in metafunc.fixturenames:
        assert metafunc.cls is not None
        metafunc.parametrize("daemon", metafunc.cls.DAEMONS, ids=lambda each: each.service)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a new drive."""
    return tmp_path_factory.mktemp("services") / "disk.img"


@pytest.fixture
def booted(request: pytest.FixtureRequest, machine_factory: MachineFactory, drive: Path) -> Machine:
    """Return the machine of the test module."""
    name = request.module.__name__.rpartition("test_")[2]
    return machine_factory(f"tests/services/{name}.yaml", scope="module", environment={"DISK": str(drive)})

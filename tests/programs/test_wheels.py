"""Tags of wheels and markers: packaging and pip are the judges, for the Python of this environment."""

import platform
import re
import subprocess
import sys

import pytest
from packaging import tags
from packaging.markers import default_environment

from notos import architecture
from notos.programs import wheels
from notos.programs.wheels import Python

GLIBC = int(platform.libc_ver()[1].split(".")[1])
HERE = Python(platform.python_version(), GLIBC, architecture.host())
TRIXIE = Python("3.13.5", 41, architecture.AMD64)


def test_tags_are_those_of_this_python() -> None:
    assert set(wheels.tags(HERE)) == set(tags.sys_tags())


def test_tags_are_those_of_pip() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "debug", "--verbose"], capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  (\S+-\S+-\S+)$", done.stdout.partition("Compatible tags:")[2], re.MULTILINE)
    assert [str(each) for each in wheels.tags(HERE)] == listed


def test_markers_are_those_of_this_python() -> None:
    own = {key: str(value) for key, value in default_environment().items() if not key.startswith("platform_")}
    mine = {key: value for key, value in wheels.environment(HERE).items() if not key.startswith("platform_")}
    assert mine == {**own, "extra": ""}
    for key in ("platform_machine", "platform_system", "platform_python_implementation"):
        assert wheels.environment(HERE)[key] == dict(default_environment())[key]


@pytest.mark.parametrize(
    ("file", "fits"),
    [
        ("a-1.0-py3-none-any.whl", True),
        ("a-1.0-py2.py3-none-any.whl", True),
        ("a-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("a-1.0-cp39-abi3-manylinux_2_28_x86_64.whl", True),
        ("a-1-cp313-cp313-linux_x86_64.whl", True),
        ("a-1.0-cp313-cp313t-manylinux_2_17_x86_64.whl", False),
        ("a-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", False),
        ("a-1.0-cp313-cp313-manylinux_2_99_x86_64.whl", False),
        ("a-1.0-cp313-cp313-musllinux_1_2_x86_64.whl", False),
        ("a-1.0-cp313-cp313-manylinux_2_17_aarch64.whl", False),
        ("a-1.0-cp313-cp313-win_amd64.whl", False),
        ("a-1.1-py3-none-any.whl", False),
        ("b-1.0-py3-none-any.whl", False),
        ("a-1.0.tar.gz", True),
        ("a-1.0.exe", False),
        ("nonsense.whl", False),
    ],
)
def test_files_that_fit(file: str, fits: bool) -> None:
    ranks = {tag: number for number, tag in enumerate(wheels.tags(TRIXIE))}
    assert (wheels.rank(file, "A", "1.0", ranks) is not None) == fits


def test_the_best_file_comes_first() -> None:
    ranks = {tag: number for number, tag in enumerate(wheels.tags(TRIXIE))}
    ordered = [
        "a-1.0-cp313-cp313-manylinux_2_40_x86_64.whl",
        "a-1.0-cp313-cp313-manylinux_2_17_x86_64.whl",
        "a-1.0-cp39-abi3-manylinux_2_40_x86_64.whl",
        "a-1.0-py3-none-any.whl",
        "a-1.0.tar.gz",
    ]
    found = [wheels.rank(each, "a", "1.0", ranks) for each in ordered]
    assert found == sorted(found, key=lambda each: -1 if each is None else each)
    assert wheels.platforms_of(ordered)[0] == "cp313-cp313-manylinux_2_40_x86_64"

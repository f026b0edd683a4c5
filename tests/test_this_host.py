"""The tests' own helpers: ports and waits."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.this_host import free_port, has_ended, wait_until

PORTS = "from tests.this_host import free_port; print(*(free_port() for _ in range(50))); input()"


def test_processes_at_once_get_different_ports() -> None:
    words = [sys.executable, "-c", PORTS]
    running = [
        subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    found = [free_port() for _ in range(50)]
    for each in running:
        assert each.stdout
        found += map(int, each.stdout.readline().split())
    for each in running:
        each.communicate("\n")
    assert len(found) == len(set(found)) == 200


def test_a_wait_ends_with_its_result_or_with_its_text() -> None:
    assert wait_until(iter([None, 0, 7]).__next__, "none") == 7
    with pytest.raises(AssertionError, match=r"^the text$"):
        wait_until(lambda: None, lambda: "the text", seconds=0.1)


def test_an_ended_process() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert not has_ended(process.pid)
        assert process.stdin
        process.stdin.close()
        wait_until(lambda: has_ended(process.pid), "cat runs")
    assert has_ended(process.pid)

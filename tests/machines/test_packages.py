"""Packages that a config names work as on Debian: a compiler, and Python with changed code."""

import re
from dataclasses import dataclass

import pytest

from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project

CONFIG = """
name: packages
imports: [examples/minimal.yaml]
system:
  packages: [gcc: {{closure: depends}}, python3, redis-server, dbus]
services: {{dbus: {{run: exec dbus-daemon --system --nofork --nopidfile}}}}
vm: {{memory: 768}}
etc:
  code/page.py: {{text: "TEXT = '{text}'\\n"}}
"""
HELLO = r"""
#include <math.h>
#include <stdio.h>
int main(int count, char **words) { printf("%.3f\n", sin(count)); return 0; }
"""
IMPORT = "cd /tmp && PYTHONPATH=/etc/code python3 -c 'import page; print(page.TEXT)'"


@dataclass
class Packaged:
    """A machine, and the project that it was built in."""

    vm: Machine
    project: Project

    def switch(self, text: str) -> None:
        (self.project.root / "packages.yaml").write_text(CONFIG.format(text=text))
        self.project.doit(
            "config=packages.yaml", "switch", environment={"SSH_PORT": str(self.vm.forward(22))}
        )


@pytest.fixture(scope="module")
def machine(machine_factory: MachineFactory, built: Project) -> Packaged:
    project = built.build("packages", CONFIG.format(text="one"))
    return Packaged(machine_factory.at(project.script, scope="module"), project)


def test_gcc_compiles_and_links_with_the_mathematical_library(machine: Packaged) -> None:
    machine.vm.succeed(f"cat >/tmp/hello.c <<'end'\n{HELLO}\nend")
    compiled = "cd /tmp && gcc -O2 hello.c -lm -o hello && ./hello"
    assert machine.vm.succeed(compiled, seconds=240).strip() == "0.841"


def test_a_program_of_another_package_of_the_same_source(machine: Packaged) -> None:
    assert machine.vm.succeed("redis-server --version").startswith("Redis server v=")


def test_a_package_whose_programs_are_in_others(machine: Packaged) -> None:
    call = "dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames"
    assert "org.freedesktop.DBus" in machine.vm.wait_until_succeeds(call)


def test_the_machine_has_a_number(machine: Packaged) -> None:
    """dbus-daemon's script would create it (machine-id(5)); dbus's tmpfiles.d file has a link to it."""
    numbers = machine.vm.succeed("cat /etc/machine-id /var/lib/dbus/machine-id").split()
    assert len(set(numbers)) == 1
    assert re.fullmatch("[0-9a-f]{32}", numbers[0])


def test_python_never_runs_stale_code(machine: Packaged) -> None:
    """The text has an equal length; the byte code of the first lies in the writable layer of /etc."""
    for text in ("one", "two", "six", "one"):
        machine.switch(text)
        assert machine.vm.succeed(IMPORT).strip() == text
        machine.vm.succeed("ls /etc/code/__pycache__/page.*.pyc")


def test_python_writes_no_byte_code_into_the_store(machine: Packaged) -> None:
    machine.vm.succeed("touch /tmp/before; sleep 1; python3 -c 'import json, http.server, sqlite3'")
    assert machine.vm.succeed("find /nix/store -name '*.pyc' -newer /tmp/before -ctime -1 | head -3") == ""

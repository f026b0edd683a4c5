"""The start of a command, judged by Python processes that load doit and the graph."""

import subprocess
import sys

from tasks.startup import DEFERRED
from tests.conftest import ROOT


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_deferred_modules_are_not_loaded_with_the_graph() -> None:
    script = f"""
import sys
from tasks import doit_version
doit_version.check()
import dodo
print(*[name for name in {DEFERRED} if name in sys.modules])
"""
    assert run(script) == "\n"


def test_deferred_names_are_imported_when_they_are_called() -> None:
    script = f"""
import importlib, sys
from tasks import doit_version
doit_version.check()
import doit.action, doit.doit_cmd, doit.plugin, doit.runner
found = [
    "doit" in doit.plugin.entry_points(group="console_scripts").names,
    doit.doit_cmd.ConfigParser().sections() == [],
    type(doit.action.pdb.Pdb()) is __import__("pdb").Pdb,
    doit.runner.MQueue().empty(),
    doit.runner.Process(target=int).is_alive() is False,
]
print(found, all(importlib.import_module(name) is sys.modules[name] for name in {DEFERRED}))
import configparser
print(configparser.ConfigParser is type(doit.doit_cmd.ConfigParser()))
"""
    assert run(script) == "[True, True, True, True, True] True\nTrue\n"


def test_a_module_that_is_imported_already_stays() -> None:
    script = """
import importlib.metadata, pdb
from tasks import startup
with startup.deferred_imports():
    import pdb as again
    from importlib.metadata import entry_points
print(again is pdb, entry_points is importlib.metadata.entry_points)
"""
    assert run(script) == "True True\n"


def test_garbage_is_collected_once_a_task_runs() -> None:
    script = """
import gc
from tasks import startup
startup.pause_collection()
before = gc.isenabled()
startup.resume_collection()
print(before, gc.isenabled(), gc.get_freeze_count() > 0)
"""
    assert run(script) == "False True True\n"

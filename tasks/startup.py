"""The start of a command: without modules that only doit imports, and without garbage collection.

Both are for a run in which no task has work to do: it would spend a quarter of its time on them.
"""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# doit uses them for its plugins, its doit.cfg, its debugger, parallel runs and checksums; pathlib for URLs.
DEFERRED = (
    *("importlib.metadata", "configparser", "pdb", "multiprocessing", "pickle", "hashlib"),
    "urllib.parse",
)


@contextmanager
def deferred_imports() -> Iterator[None]:
    """Replace the DEFERRED modules that are not yet imported, for modules that are imported in the block.

    A name that such a module imports from one is a function; its first call imports the real module.
    """
    replaced = [name for name in DEFERRED if name not in sys.modules]
    sys.modules.update((name, _StandIn(name)) for name in replaced)
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]


def pause_collection() -> None:
    """Stop Python's garbage collection: loading the graph leaves next to none."""
    gc.disable()


def resume_collection() -> None:
    """Start it again, without the objects that exist now: they live as long as the process."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


class _StandIn(ModuleType):
    """A module whose attributes are functions that call those of the real module."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _function(self.__name__, name)


def _function(module: str, name: str) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **named)

    call.__name__ = call.__qualname__ = name
    return call

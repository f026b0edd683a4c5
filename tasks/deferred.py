"""Modules of Python's library that doit imports when it is imported, and that a build does not use.

In the block of `imports` they are stand-ins. A name that doit imports from one is a function; its first call
imports the module. This removes 70 of the 250 modules that doit loads.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# For doit's plugins, its doit.cfg, its debugger, and its parallel runs (session.py allows none).
MODULES = ("importlib.metadata", "configparser", "pdb", "multiprocessing")


@contextmanager
def imports() -> Iterator[None]:
    """Replace those MODULES that are not yet imported, for modules that are imported in the block."""
    replaced = [name for name in MODULES if name not in sys.modules]
    sys.modules.update((name, _StandIn(name)) for name in replaced)
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _function(self.__name__, name)


def _function(module: str, name: str) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **named)

    call.__name__ = call.__qualname__ = name
    return call

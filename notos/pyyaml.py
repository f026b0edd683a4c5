"""PyYAML as `yaml`. Its patterns are compiled at their first use, not at its import.

They take a tenth of the time of a command that has nothing to do, and reading a config uses none of them.
"""

import re
from typing import Any


class _Later:
    """A pattern that is compiled when one of its attributes is read, such as `match`."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def __getattr__(self, name: str) -> Any:
        return getattr(re.compile(*self._arguments), name)


_compile = re.compile
re.compile = _Later  # type: ignore[assignment]
try:
    import yaml
    from yaml.reader import Reader
finally:
    re.compile = _compile

__all__ = ["Reader", "yaml"]

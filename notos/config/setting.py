"""Fields of structs with their descriptions, and the architecture that their defaults follow from."""

from dataclasses import field
from typing import Any

from notos.architecture import AMD64

# The architecture of all machines. With a second one this becomes a key of the config, and the defaults that
# follow from it are found as the config is read.
TARGET = AMD64


def setting(
    doc: str,
    default: Any = ...,
    *,
    example: Any = None,
    words: tuple[str, ...] = (),
    single: bool = False,
    **limits: int,
) -> Any:
    """Return a field of a struct: `doc` for the reference, and `minimum`/`maximum` for numbers.

    `words` are more words of a Literal that depend on the architecture. `example` is a value in the form of
    YAML, needed if neither the default nor the type has a useful one. A `single` list may also be written as
    its only item. The name of a field may end in _ if its key is a keyword of Python (`for_`).
    """
    metadata = {"doc": doc, "example": example, "words": words, "single": single, **limits}
    if default is ...:
        return field(metadata=metadata)
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)

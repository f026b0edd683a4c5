"""Names of units: prefix, instance and type, and their escapes (systemd.unit(5), systemd-escape(1))."""

import re
import string

from notos.units.words import WordError

TYPES = (
    "service",
    "socket",
    "timer",
    "target",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
)
_VALID = re.compile(rf"[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\@-]*)?\.(?:{'|'.join(TYPES)})")
_LONGEST = 255
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})")
_PLAIN = string.ascii_letters + string.digits + ":_."


def is_valid(name: str) -> bool:
    """Return True if `name` is the name of a unit, a template or an instance."""
    return len(name) <= _LONGEST and _VALID.fullmatch(name) is not None


def stem(name: str) -> str:
    """Return `name` without its type: %N."""
    return name.rpartition(".")[0]


def kind(name: str) -> str:
    """Return the type of a unit: service, socket and so on."""
    return name.rpartition(".")[2]


def prefix(name: str) -> str:
    """Return the part before @, or all of the name without its type: %p."""
    return stem(name).partition("@")[0]


def instance(name: str) -> str:
    """Return the part after @, empty for a template and for other units: %i."""
    return stem(name).partition("@")[2]


def is_template(name: str) -> bool:
    """Return True if `name` is a template, such as getty@.service."""
    return stem(name).endswith("@") and "@" not in stem(name)[:-1]


def template(name: str) -> str:
    """Return the name of the template of an instance; empty for another unit."""
    return f"{prefix(name)}@.{kind(name)}" if instance(name) else ""


def with_instance(name: str, value: str) -> str:
    """Return the instance `value` of the template `name`."""
    return f"{prefix(name)}@{value}.{kind(name)}"


def with_kind(name: str, other: str) -> str:
    """Return `name` with the type `other`."""
    return f"{stem(name)}.{other}"


def escaped(text: str) -> str:
    """Return `text` as a part of a unit's name, as systemd-escape(1) does."""
    out = []
    for at, byte in enumerate(text.encode("utf-8", "surrogateescape")):
        char = chr(byte)
        if char == "/":
            out.append("-")
        elif char in _PLAIN and not (at == 0 and char == "."):
            out.append(char)
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out)


def unescaped(text: str) -> str:
    """Return the text that `escaped` made. Raises WordError for an invalid escape."""
    if "\\" in _HEX.sub("", text):
        raise WordError(f"invalid escape in {text}")
    parts = _HEX.split(text.replace("-", "/"))  # text and the two digits of an escape, in turn
    out = b"".join(
        bytes([int(part, 16)]) if at % 2 else part.encode("utf-8", "surrogateescape")
        for at, part in enumerate(parts)
    )
    return out.decode("utf-8", "surrogateescape")


def unescaped_path(text: str) -> str:
    """Return the absolute path that `text` is the escaped name of. Raises WordError for an invalid one."""
    path = "/" if text == "-" else "/" + unescaped(text)
    parts = path[1:].split("/") if path != "/" else []
    if not text or any(part in ("", ".", "..") for part in parts):
        raise WordError(f"{text} is not the name of a path")
    return path


def path_name(path: str, other: str) -> str:
    """Return the name of the unit of the type `other` for an absolute path, such as a mount point."""
    inner = re.sub(r"/+", "/", path).strip("/")
    return f"{escaped(inner) or '-'}.{other}"

"""Paths in settings: absolute or relative, simplified as systemd does."""


def absolute(text: str) -> str:
    """Return an absolute path without repeated slashes and without "." parts. Raises ValueError."""
    if not text.startswith("/"):
        raise ValueError(f"{text} is not an absolute path")
    return "/" + _simplified(text)


def relative(text: str) -> str:
    """Return a relative path, simplified likewise. Raises ValueError."""
    if not text or text.startswith("/"):
        raise ValueError(f"{text} is not a relative path")
    simplified = _simplified(text)
    if not simplified:
        raise ValueError(f"{text} is not the path of a folder below")
    return simplified


def _simplified(text: str) -> str:
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f'{text} has ".."')
    if any(char < " " or char == "\x7f" for char in text):
        raise ValueError(f"{text} has control characters")
    return "/".join(parts)

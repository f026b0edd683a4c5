"""usr-merge: /bin, /sbin and /lib* are links into /usr, so that /bin/sh and /usr/bin/sh are one file.

Source: Debian policy 9.1.1.1. Up to bookworm, packages have files at both kinds of paths, and their links
lead to both.
"""

ALIASED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def merged(path: str) -> str:
    """Return `path` after usr-merge: usr/bin/sh for bin/sh."""
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in ALIASED else path

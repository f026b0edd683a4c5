"""A reader of linker scripts in place of a library, such as libm.so: the files that the linker then reads.

Source: the GNU linker's manual, "Commands Dealing with Files" (INPUT, GROUP, AS_NEEDED).
"""

import re

LARGEST = 4096  # bytes; glibc's scripts have less than 300

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_COMMAND = re.compile(r"\b(?:INPUT|GROUP)\s*\(((?:[^()]|\([^()]*\))*)\)")
_FILE = re.compile(r"(?<![^\s,])(/[^\s,]+)")


def files(data: bytes) -> tuple[str, ...]:
    """Return the absolute paths that the script `data` names; none if it is no script.

    Other names, such as -ltinfo, are searched by the linker and left out.
    """
    if len(data) > LARGEST or b"\0" in data:
        return ()
    text = _COMMENT.sub(" ", data.decode(errors="replace"))
    names = " ".join(_COMMAND.findall(text)).replace("(", " ").replace(")", " ")
    return tuple(_FILE.findall(names))

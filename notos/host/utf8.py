"""UTF-8 as the encoding of all text files, whatever the locale (Python UTF-8 mode, PEP 540)."""

import os
import sys


def ensure() -> None:
    """Restart this process in UTF-8 mode if the locale has another encoding.

    All files are in UTF-8. With another encoding, reading them fails or gives a different image.
    """
    if sys.getfilesystemencoding() == "utf-8" or not sys.executable or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"  # for Python subprocesses
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])

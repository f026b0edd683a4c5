"""UTF-8 as the encoding of all text files, whatever the locale (PEP 540)."""

import os
import sys


def ensure() -> None:
    """Start this process again in UTF-8 mode where the locale has another encoding.

    Files of ours and the user's are in UTF-8: read in another encoding they fail, or make another image.
    """
    if sys.getfilesystemencoding() == "utf-8" or not sys.executable:
        return
    os.environ["PYTHONUTF8"] = "1"  # for the Pythons that this one starts
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])

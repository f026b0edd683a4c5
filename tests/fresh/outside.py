"""The network of this host inside a root: names, proxies, certificates, and the settings of pip."""

import ast
import importlib.util
import os
import ssl
import sys
from pathlib import Path

from notos.process import run

NAMES = ("/etc/resolv.conf", "/etc/hosts")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SHARED = "/host"  # where paths of this host that pip is set to are in a root


def proxies() -> dict[str, str]:
    """Return the variables by which this host reaches others."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    return {each: os.environ[each] for name in names for each in (name, name.upper()) if each in os.environ}


def of_pip(written: Path) -> list[str]:
    """Return bwrap's words for how pip is set up here: settings, paths that they name, certificates.

    pip's settings stand in its files and in PIP_* (pip documentation, "Configuration"); the root's are
    written to `written`. Raises ToolError.
    """
    settings: dict[str, str] = {}
    for line in _pip("config", "list").splitlines():
        name, _, value = line.partition("=")
        # The environment's come first, and win.
        settings.setdefault(name.rpartition(".")[2], str(ast.literal_eval(value)))
    words = ["--tmpfs", SHARED]
    for name, values in settings.items():
        moved = []
        for value in values.split():
            scheme = "file://" if value.startswith("file://") else ""
            path = Path(value.removeprefix("file://"))
            if path.is_absolute() and path.exists():
                # What an index on this host's disk names lies beside it.
                words += _shared(path.parent if scheme else path)
                moved.append(f"{scheme}{SHARED}{path}")
            else:
                moved.append(value)
        settings[name] = " ".join(moved)
    if trusted := os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile:
        words += ["--ro-bind", os.path.realpath(trusted), CERTIFICATES]
        settings["cert"] = CERTIFICATES
    written.write_text("".join(["[global]\n", *(f"{name} = {value}\n" for name, value in settings.items())]))
    return [*words, "--ro-bind", str(written), "/etc/pip.conf"]


def _pip(*words: str) -> str:
    """Return what pip prints: this environment's, or, in one that uv has made, that of the host's Python."""
    python = (
        sys.executable if importlib.util.find_spec("pip") else getattr(sys, "_base_executable", "python3")
    )
    return run([python, "-m", "pip", *words], env=os.environ).decode()


def _shared(path: Path) -> list[str]:
    """Return bwrap's words for a path of this host below SHARED, with folders that all may read."""
    folders = [word for each in reversed(path.parents) for word in ("--dir", f"{SHARED}{each}")]
    return [*folders, "--ro-bind", str(path), f"{SHARED}{path}"]

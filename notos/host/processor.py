"""This host, as far as what was measured on it depends on it."""

from pathlib import Path


def name() -> str:
    """Return the name of this host's processor (proc_cpuinfo(5)); empty if the kernel has none."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""

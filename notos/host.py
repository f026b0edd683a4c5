"""This host, as far as what was measured on it depends on it."""

from pathlib import Path


def processor() -> str:
    """Its processor's name (proc_cpuinfo(5)); empty where the kernel tells none."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""

"""The processor of this host, for reports of measurements."""

from pathlib import Path


def name() -> str:
    """Return the model name of this host's processor (proc_cpuinfo(5)); "" if the kernel shows none."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""

"""Monitoring: Prometheus watches itself and a second machine."""

import json
import urllib.parse
from pathlib import Path

from notos.vm import Machine
from tests.gallery.machines import Gallery
from tests.gallery.outside import page
from tests.this_host import wait_until


def values(machine: Machine, query: str) -> dict[str, str]:
    """Return the values of a query by the instance, or the job, that they are about."""
    answer = json.loads(page(machine, 9090, f"/api/v1/query?query={urllib.parse.quote(query)}"))
    found = answer["data"]["result"]
    return {each["metric"].get("instance", ""): each["value"][1] for each in found}


def test_a_second_machine_is_watched(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("prometheus", environment={"DISK": str(tmp_path / "disk.img")})
    watched = gallery("prometheus", config="watched")
    both = {"127.0.0.1:9100": "1", "192.168.30.2:9100": "1"}
    wait_until(lambda: values(machine, 'up{job="node"}') == both, "both machines are up", seconds=240)
    wait_until(lambda: "1" in values(machine, "probe_success").values(), "ssh answers the probe", seconds=240)
    gallery.works(machine)
    # The figures are those of the second machine.
    kernel = watched.succeed("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")
    shown = values(machine, "node_memory_MemTotal_bytes")["192.168.30.2:9100"]
    assert int(shown) == 1024 * int(kernel)
    # Its end is noticed.
    watched.shutdown()
    wait_until(
        lambda: values(machine, 'up{job="node"}')["192.168.30.2:9100"] == "0", "it is down", seconds=240
    )
    assert "0" in values(machine, "probe_success").values()

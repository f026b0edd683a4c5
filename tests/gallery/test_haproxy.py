"""A load balancer in front of two web servers, one of which fails."""

from collections import Counter

from notos.vm import Machine
from tests.gallery.machines import Gallery
from tests.gallery.outside import page
from tests.this_host import wait_until


def pages(machine: Machine, count: int = 8) -> Counter[str]:
    """Return how often each page was the answer."""
    return Counter(page(machine, 80) for _ in range(count))


def test_two_web_servers(gallery: Gallery) -> None:
    machine = gallery("haproxy")
    servers = [
        gallery(
            "haproxy",
            config="web",
            name=f"web{number}",
            instance={"network": f"eth1 address 192.168.40.1{number}/24\n"},
        )
        for number in (1, 2)
    ]
    for number, each in enumerate(servers, 1):
        each.wait_for_open_port(80, seconds=60)
        each.succeed(f"echo web{number} >/var/www/html/index.html")

    def answers() -> Counter[str] | None:
        try:
            found = pages(machine)
        except OSError:  # 503 until one is up
            return None
        return found if len(found) == 2 else None

    assert wait_until(answers, "both answer", seconds=120) == {"web1\n": 4, "web2\n": 4}
    gallery.works(machine)
    servers[0].crash()
    # No request fails: HAProxy tries the other server again, and soon leaves out the lost one.
    assert pages(machine) == {"web2\n": 8}
    servers[0].start()
    servers[0].succeed("echo web1 >/var/www/html/index.html")
    assert wait_until(answers, "both answer again", seconds=120)

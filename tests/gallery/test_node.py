"""A server in JavaScript, which ends cleanly when its service is stopped."""

from tests.gallery.machines import Gallery
from tests.gallery.outside import page


def test_a_page_and_a_clean_end(gallery: Gallery) -> None:
    machine = gallery("node")
    assert page(machine, 3000, "/x") == "hello from node: /x\n"
    gallery.works(machine)
    assert machine.succeed("ps -o user,comm | grep node").split() == ["www-data", "node"]
    machine.succeed("sv stop app")
    assert "stopping" in machine.succeed("cat /var/log/app/current")
    assert machine.succeed("sv status app").startswith("down: app")

"""A web application in Python with Flask."""

import time

from notos.vm.plugin import MachineFactory


def test_pages_of_the_application(machine_factory: MachineFactory) -> None:
    """It answers as an account of its own, from byte code of the image."""
    machine = machine_factory("examples/machines/flask.yaml")
    machine.wait_for_open_port(8000)
    assert machine.succeed("wget -qO- http://127.0.0.1:8000/") == "<p>Hello, world!</p>"
    assert machine.succeed("wget -qO- 'http://127.0.0.1:8000/?name=<b>'") == "<p>Hello, &lt;b&gt;!</p>"
    assert "www-data" in machine.succeed("ps -o user,args | grep [f]lask")
    assert (
        machine.succeed("cat /proc/$(pidof python3)/environ | tr '\\0' '\\n' | grep ^LANG=")
        == "LANG=C.UTF-8\n"
    )
    t = time.monotonic()
    machine.succeed("sv restart app; until wget -qO- http://127.0.0.1:8000/ 2>/dev/null; do sleep 0.1; done")
    print("restart", time.monotonic() - t)
    print(
        machine.succeed(
            "cat /var/log/app/current; ls -lR /opt/app; python3 -v -c 'import flask' 2>&1 | grep -c 'matches'; python3 -v -c 'import flask' 2>&1 | grep -c 'could not'"
        )
    )
    assert 0

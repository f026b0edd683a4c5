"""A web application in Python with Flask."""

import re
import time
from pathlib import Path

from notos.vm.plugin import MachineFactory
from tests.gallery.live import copied, switch

PAGE = "http://127.0.0.1:8000"


def test_pages_of_the_application(machine_factory: MachineFactory, tmp_path: Path) -> None:
    """Its account, its byte code, the time of a restart, and edits that a switch applies."""
    config = copied("flask", tmp_path)
    machine = machine_factory(config)
    machine.wait_for_open_port(8000)
    assert machine.succeed(f"wget -qO- {PAGE}/") == "<p>Hello, world!</p>"
    assert machine.succeed(f"wget -qO- '{PAGE}/?name=<b>'") == "<p>Hello, &lt;b&gt;!</p>"
    assert "www-data" in machine.succeed("ps -o user,args | grep '[f]lask run'")
    environment = machine.succeed("tr '\\0' '\\n' </proc/$(cat /run/runit/app/pid)/environ")
    assert "LANG=C.UTF-8" in environment.splitlines()

    loaded = machine.succeed("cd /opt/app; python3 -v -c 'import flask.cli, app' 2>&1")
    assert re.search(r"/opt/app/__pycache__/app\.\S+\.pyc matches \S+/opt/app/app\.py", loaded)
    sources = re.findall(r"# code object from '?(\S+\.py)'?$", loaded, re.MULTILINE)
    assert [path for path in sources if "sitecustomize" not in path] == []

    began = time.monotonic()
    machine.succeed(f"sv restart app; until wget -qO- {PAGE}/ 2>/dev/null; do sleep 0.1; done")
    took = time.monotonic() - began
    print(f"from a restart to the first answer: {took:.1f} s")
    assert took < 30, "39 s without byte code, when nothing else runs"

    # Edits of equal length. The process would stay in the folder of the old system.
    for file, old, new, page in (
        ("templates/hello.html", "Hello", "Hullo", "<p>Hullo, world!</p>"),
        ("app.py", "world", "earth", "<p>Hullo, earth!</p>"),
    ):
        path = tmp_path / "flask/app" / file
        path.write_text(path.read_text().replace(old, new))
        said = switch(machine, config)
        assert f"app (/opt/app/{file})" in said, said
        assert machine.wait_until_succeeds(f"wget -qO- {PAGE}/") == page

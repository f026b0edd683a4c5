"""A web application in Python, made with Flask, under gunicorn."""

import re
from pathlib import Path

from tests.gallery.machines import Gallery, copied, switch
from tests.gallery.outside import page


def test_pages_of_the_application(gallery: Gallery) -> None:
    """The application answers, has its account, and starts from byte code."""
    machine = gallery("flask")
    assert page(machine, 8000) == "<p>Hello, world!</p>"
    gallery.works(machine)
    assert page(machine, 8000, "/?name=%3Cb%3E") == "<p>Hello, &lt;b&gt;!</p>"
    accounts = machine.succeed("ps -o user,args | grep '[g]unicorn' | cut -d' ' -f1").split()
    assert len(accounts) >= 2 and set(accounts) == {"www-data"}
    environment = machine.succeed("tr '\\0' '\\n' </proc/$(cat /run/runit/app/pid)/environ")
    assert "LANG=C.UTF-8" in environment.splitlines()

    loaded = machine.succeed("cd /opt/app; python3 -v -c 'import gunicorn.app.wsgiapp, app' 2>&1")
    assert re.search(r"/opt/app/__pycache__/app\.\S+\.pyc matches \S+/opt/app/app\.py", loaded)
    sources = re.findall(r"# code object from '?(\S+\.py)'?$", loaded, re.MULTILINE)
    assert [path for path in sources if "sitecustomize" not in path] == []


def test_edits_that_a_switch_applies(gallery: Gallery, tmp_path: Path) -> None:
    """The edits have the same length. The process would stay in the folder of the old system."""
    config = copied("flask", tmp_path)
    machine = gallery.at(config)
    machine.wait_for_port(8000, seconds=60)
    for file, old, new, wanted in (
        ("templates/hello.html", "Hello", "Hullo", "<p>Hullo, world!</p>"),
        ("app.py", "world", "earth", "<p>Hullo, earth!</p>"),
    ):
        path = config.parent / "app" / file
        path.write_text(path.read_text().replace(old, new))
        said = switch(machine, config)
        assert f"app (/opt/app/{file})" in said, said
        machine.wait_until_succeeds(f"wget -qO- http://127.0.0.1:8000/ | grep -F '{wanted}'")
        assert page(machine, 8000) == wanted

"""A web server with Debian's nginx."""

from http.client import HTTPConnection
from pathlib import Path

from tests.gallery.machines import Gallery, copied, switch
from tests.gallery.outside import page


def test_a_page(gallery: Gallery) -> None:
    machine = gallery("nginx")
    assert page(machine, 80) == "hello\n"
    gallery.works(machine)


def test_a_changed_page_is_not_in_caches(gallery: Gallery, tmp_path: Path) -> None:
    """A browser with the page of before a switch gets the new one, which has the same length."""
    config = copied("nginx", tmp_path)
    machine = gallery.at(config)
    port = machine.wait_for_port(80)

    def ask(**headers: str) -> tuple[int, str, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(
            "GET", "/", headers={key.replace("_", "-"): value for key, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())

    status, body, first = ask()
    assert (status, body) == (200, "hello\n")
    known = {"If_None_Match": first["ETag"], "If_Modified_Since": first["Last-Modified"]}
    for name, value in known.items():
        assert ask(**{name: value})[0] == 304
    config.write_text(config.read_text().replace("hello", "hallo"))
    assert "/var/www/html/index.html" in switch(machine, config)
    for name, value in known.items():
        assert ask(**{name: value})[:2] == (200, "hallo\n")
    assert ask()[2]["ETag"] != first["ETag"]

"""Proxies, real ones on loopback: used as the environment and apt say, and named where they are at fault."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos.cache import Cache
from notos.debian.download import Download, Retries, fetch, get
from notos.errors import FetchError
from notos.host.proxy import ENVIRONMENT, Proxies
from tests.proxy_server import ProxyServer, proxying
from tests.signed_archive import Server, serving
from tests.this_host import free_port

ONCE = Retries(1, 0.0)
DATA = b"data" * 1000
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "www").mkdir()
    (tmp_path / "www/data").write_bytes(DATA)
    with serving(tmp_path / "www") as server:
        yield server


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    with proxying() as proxy:
        yield proxy


def refused(url: str, proxies: Proxies = ENVIRONMENT) -> FetchError:
    """Return the error of a download; check that the download of a small file has the same one."""
    with pytest.raises(FetchError) as caught:
        get(url, retries=ONCE, proxies=proxies)
    assert "\n" not in str(caught.value)
    with tempfile.TemporaryDirectory() as folder, pytest.raises(FetchError) as other:
        fetch([Download("data", url, 1, "0" * 64)], Cache(Path(folder)), retries=ONCE, proxies=proxies)
    assert str(other.value) == str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_the_environment_s_proxy_is_used(
    server: Server,
    proxy: ProxyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv(name, proxy.url)
    assert get(f"{server.url}/data") == DATA
    monkeypatch.setenv(name, proxy.host)  # as curl takes it
    fetch([server.download("data", DATA)], Cache(tmp_path / "cache"))
    assert proxy.requests == [f"{server.url}/data"] * 2


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("value", ["127.0.0.1", "mirror.example, 127.0.0.0/8", "*"])
def test_no_proxy(
    server: Server, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv(name, value)
    assert get(f"{server.url}/data") == DATA
    assert proxy.requests == []


def test_a_user_and_a_password(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying(login="me:secret") as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@{proxy.host}")
        assert get(f"{server.url}/data") == DATA
        monkeypatch.setenv("http_proxy", f"http://me:wrong@{proxy.host}")
        error = refused(f"{server.url}/data")
    assert f"the proxy {proxy.url} (http_proxy) answers 407 Proxy Authentication Required" in error.message
    assert "wrong" not in str(error)
    assert "http_proxy: http://USER:PASSWORD@HOST:PORT" in error.hint


def test_apt_s_proxy_counts_where_the_environment_has_none(
    server: Server, proxy: ProxyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = Proxies({"http": proxy.url})
    assert get(f"{server.url}/data", proxies=proxies) == DATA
    fetch([server.download("data", DATA)], Cache(tmp_path / "cache"), proxies=proxies)
    assert len(proxy.requests) == 2
    assert get(f"{server.url}/data", proxies=Proxies({"http": proxy.url, "http://127.0.0.1": ""})) == DATA
    monkeypatch.setenv("https_proxy", "http://other.example:3128")
    assert get(f"{server.url}/data", proxies=proxies) == DATA
    assert len(proxy.requests) == 2


def nobody() -> str:
    """Return the address of a closed port."""
    return f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    where = nobody()
    monkeypatch.setenv(name, f"http://me:secret@{where}")
    scheme = "https" if "HTTPS" in name else "http"
    error = refused(f"{scheme}://mirror.example/debian/dists/trixie/InRelease")
    assert error.message == f"cannot reach the proxy http://{where} ({name}): Connection refused"
    assert name in error.hint
    assert "secret" not in str(error)


def test_a_proxy_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    error = refused("http://mirror.example/debian")
    assert error.message.startswith("cannot reach the proxy http://proxy.invalid:3128 (http_proxy): ")


@pytest.mark.parametrize("status", [403, 407, 502, 503])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, status: int, scheme: str) -> None:
    with proxying(status) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", proxy.url)
        error = refused(f"{scheme}://mirror.example/debian/dists/trixie/InRelease")
    assert f"the proxy {proxy.url} ({scheme}_proxy) answers {status} " in error.message
    assert f"{scheme}_proxy" in error.hint
    assert "mirror" not in error.hint


def test_a_proxy_that_is_apt_s(server: Server) -> None:
    where = nobody()
    error = refused(f"{server.url}/data", Proxies({"http": f"http://{where}"}))
    assert error.message.startswith(f"cannot reach the proxy http://{where} (apt's Acquire::http::Proxy): ")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("htp://proxy.example:3128", "invalid proxy address: "),
        ("http:/proxy.example:3128", "invalid proxy address: "),
        ("http://", "invalid proxy address: "),
        ("http://proxy.example:port", "invalid proxy address: "),
        ("http://proxy.example:99999", "invalid proxy address: "),
        ("http://pro xy.example:3128", "invalid proxy address: "),
        ("socks5://proxy.example:1080", "unsupported SOCKS proxy: "),
    ],
)
def test_a_misspelt_proxy(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    monkeypatch.setenv("http_proxy", value)
    error = refused("http://mirror.example/debian")
    assert message in error.message
    assert error.message.endswith(" (http_proxy)")
    assert "http://HOST:PORT" in error.hint

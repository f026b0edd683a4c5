"""A small proxy on loopback (RFC 9110, 9.3.6): it hands requests on, or refuses them as real ones do."""

import base64
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class ProxyServer:
    """A running proxy: the targets of its requests, the status that it answers all of them with, if any."""

    port: int
    refusal: int | None = None
    login: str = ""  # USER:PASSWORD that it wants
    requests: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def proxying(refusal: int | None = None, login: str = "") -> Iterator[ProxyServer]:
    """Run a proxy until the block is left."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        proxy = ProxyServer(server.server_port, refusal, login)
        server.daemon_threads = True
        server.block_on_close = False
        server.proxy = proxy  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Nothing on the tests' output."""

    def _refused(self) -> bool:
        proxy: ProxyServer = self.server.proxy  # type: ignore[attr-defined]
        proxy.requests.append(self.path)
        wanted = f"Basic {base64.b64encode(proxy.login.encode()).decode()}"
        status = proxy.refusal
        if proxy.login and self.headers["Proxy-Authorization"] != wanted:
            status = 407
        if status is None:
            return False
        self.send_response(status)
        self.send_header("Proxy-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def do_GET(self) -> None:
        if self._refused():
            return
        parts = urlsplit(self.path)
        upstream = http.client.HTTPConnection(parts.netloc)
        headers = {name: self.headers[name] for name in ("Range",) if self.headers[name]}
        upstream.request("GET", parts.path, headers=headers)
        answer = upstream.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Range",):
            if value := answer.headers[name]:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_CONNECT(self) -> None:
        if self._refused():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as upstream:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=[upstream, self.connection], daemon=True)
            back.start()
            _pump(self.connection, upstream)
        self.close_connection = True


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return

"""Real servers on the loopback interface: an HTTP cache, and hosts that compile."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree
from tests.this_host import PATIENCE, free_port, wait_until

NGINX = """\
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
user {user};
events {{}}
http {{
	access_log {folder}/access.log;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	server {{
		listen 127.0.0.1:{port};
		root {folder}/kept;
		location / {{
			dav_methods PUT DELETE;
			create_full_put_path on;
			client_max_body_size 100m;
		}}
	}}
}}
"""


@dataclass(frozen=True)
class HttpCache:
    """nginx with DAV: what was put and what was got."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str, status: str) -> int:
        """Return the number of requests with this method and status."""
        return len(self.requests(method, status))

    def requests(self, method: str, status: str) -> list[str]:
        """Return the lines of the log with this method and status.

        nginx writes a line after its answer. The line of a marker request follows those of earlier requests.
        """
        asked = f"/asked-{time.monotonic_ns()}"
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(f"{self.url}{asked}", timeout=PATIENCE):
            pass
        log = self.folder / "access.log"
        wait_until(lambda: asked in log.read_text(), "nginx does not write its log", tick=0.01)
        return [
            line for line in log.read_text().splitlines() if f'"{method} ' in line and f'" {status} ' in line
        ]


@contextmanager
def http_cache(folder: Path, tool: Callable[[str], list[str]]) -> Iterator[HttpCache]:
    """Yield a cache server that keeps uploaded files in `folder`."""
    import getpass

    (folder / "kept").mkdir(parents=True)
    cache = HttpCache(folder, free_port())
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=cache.port, user=getpass.getuser()))
    words = [*tool("nginx"), "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    with _server(words, cache.port):
        yield cache


@dataclass(frozen=True)
class Compilers:
    """A distccd, and what it has compiled."""

    port: int
    log: Path

    @property
    def compiled(self) -> int:
        return self.log.read_text(errors="replace").count("COMPILE_OK")


@contextmanager
def distccd(folder: Path, tools: ToolsTree) -> Iterator[Compilers]:
    """Yield a host that compiles, with the compiler of the tools tree `tools`."""
    folder.mkdir(parents=True)
    host = Compilers(free_port(), folder / "log")
    sandbox = Sandbox(tools, writable={"/log": folder}, network=True)
    options = [
        "--no-detach",
        "--daemon",
        "--port",
        str(host.port),
        "--listen",
        "127.0.0.1",
        "--allow",
        "127.0.0.1",
    ]
    options += ["--jobs", "2", "--log-file", "/log/log", "--log-level", "info", "--enable-tcp-insecure"]
    words = sandbox.command(["distccd", *options])
    # distccd as root wants another user to be; in here it is none.
    words[words.index("--unshare-all") : words.index("--unshare-all") + 1] = [
        *("--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000")
    ]
    with _server(words, host.port):
        yield host


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Return True once a server listens. Raises AssertionError if it has ended."""
    if process.poll() is not None:
        assert process.stdout is not None
        raise AssertionError(process.stdout.read().decode(errors="replace"))
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _server(words: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            wait_until(lambda: _listens(process, port), f"{words[0]} does not listen on port {port}")
            yield
        finally:
            process.terminate()

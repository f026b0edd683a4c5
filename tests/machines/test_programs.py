"""Programs of the user in a machine that boots, and modules that cargo and go fetch from a server."""

import base64
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from notos.cache import Cache
from notos.vm.plugin import MachineFactory
from tests.conftest import Project
from tests.programs.packages import pinned, registry, wheel

CONFIG = """
name: programs
imports: [examples/minimal.yaml]
build:
  web: {source: web}
  echo: {source: echo}
services:
  web: {run: exec /opt/web/bin/serve 8000}
  echo: {run: exec /opt/echo/bin/echo-server 8001}
vm: {memory: 512}
"""
SERVE = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from greeting import TEXT


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(TEXT.encode())


def main():
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "web"
version = "1.0"
dependencies = ["greeting"]
[project.scripts]
serve = "web:main"
[tool.setuptools]
py-modules = ["web"]
"""
ECHO = r"""
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
	static const char text[] = "HTTP/1.0 200 OK\r\n\r\nhello from C";
	char request[4096];
	int on = 1, client, server = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[count - 1]))};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(server, (void *)&address, sizeof address) || listen(server, 8)) return 1;
	while ((client = accept(server, 0, 0)) >= 0) {
		if (read(client, request, sizeof request) < 0 || write(client, text, strlen(text)) < 0) return 1;
		close(client);
	}
	return 1;
}
"""
MAKEFILE = """\
echo-server: echo.c
\t$(CC) -O2 -o $@ echo.c
install: echo-server
\tinstall -D echo-server $(DESTDIR)$(PREFIX)/bin/echo-server
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_programs_answer_in_the_machine(built: Project, machine_factory: MachineFactory) -> None:
    """A Python project with a pinned wheel, and a program in C."""
    root = built.root
    greeting = wheel(root / "web/wheels", "greeting", "1.0", {"greeting.py": "TEXT = 'hello from Python'\n"})
    lines = f"--no-index\n--find-links wheels\n{pinned(greeting)}"
    write(root / "web", {"pyproject.toml": PYPROJECT, "web.py": SERVE, "requirements.txt": lines})
    write(root / "echo", {"Makefile": MAKEFILE, "echo.c": ECHO})
    machine = machine_factory.at(built.build("programs", CONFIG).script)
    for port, text in ((8001, "hello from C"), (8000, "hello from Python")):
        machine.wait_until_succeeds(f"wget -qO- http://127.0.0.1:{port}/ >/tmp/answer")
        assert machine.succeed("cat /tmp/answer") == text
    compiled = machine.succeed("/opt/web/bin/python -v -c 'import web' 2>&1")
    assert "/site-packages/__pycache__/web.cpython" in compiled
    assert "lib/python3/dist-packages" not in machine.succeed(
        "/opt/web/bin/python -c 'import sys; print(sys.path)'"
    )


def configured(project: Project, text: str) -> None:
    (project.root / "modules.yaml").write_text(f"name: modules\nssh: {{server: none}}\n{text}")


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "NOTOS_CACHE": str(Cache.default().root), "NO_PROXY": "127.0.0.1", **more}


def run(project: Project, path: str) -> str:
    """Return what a built program prints on this host."""
    manifest = json.loads((project.root / "build/modules/manifests/program-app.json").read_bytes())
    program = project.root / "build/modules/store" / Path(manifest["path"]).name / path
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def h1(files: Mapping[str, bytes]) -> str:
    """Return Go's hash of these files (golang.org/x/mod/sumdb/dirhash)."""
    rows = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    return "h1:" + base64.b64encode(hashlib.sha256("".join(rows).encode()).digest()).decode()


@pytest.mark.parametrize("good", [True, False])
def test_modules_of_go(built: Project, tmp_path: Path, good: bool) -> None:
    """They come from GOPROXY, and have the hashes of go.sum."""
    module, version = "example.org/said", "v1.0.0"
    mod = f"module {module}\n\ngo 1.21\n".encode()
    code = f'package said\n\nfunc Text() string {{ return "hello from Go {tmp_path.name}" }}\n'.encode()
    files = {f"{module}@{version}/go.mod": mod, f"{module}@{version}/said.go": code}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    place = tmp_path / "www" / module / "@v"
    place.mkdir(parents=True)
    (place / f"{version}.info").write_text(json.dumps({"Version": version, "Time": "2020-01-01T00:00:00Z"}))
    (place / f"{version}.mod").write_bytes(mod)
    (place / f"{version}.zip").write_bytes(data.getvalue())
    sums = (
        f"{module} {version} {h1(files if good else {})}\n{module} {version}/go.mod {h1({'go.mod': mod})}\n"
    )
    main = f'package main\n\nimport (\n"fmt"\n"{module}"\n)\n\nfunc main() {{ fmt.Println(said.Text()) }}\n'
    write(
        built.root / "goapp",
        {
            "go.mod": f"module example.org/app\n\ngo 1.21\n\nrequire {module} {version}\n",
            "go.sum": sums,
            "main.go": main,
        },
    )
    configured(built, "build: {app: {source: goapp}}\n")
    with registry(tmp_path / "www") as server:
        done = built.doit(
            *("config=modules.yaml", "files"),
            check=False,
            environment=environment(tmp_path, GOPROXY=server.url),
        )
    if good:
        assert done.returncode == 0, done.stdout
        assert run(built, "opt/app/bin/app") == f"hello from Go {tmp_path.name}\n"
    else:
        assert "go cannot fetch what go.sum names" in done.stdout
        assert "checksum mismatch" in done.stdout


@pytest.mark.parametrize("good", [True, False])
def test_crates_of_cargo(built: Project, tmp_path: Path, good: bool) -> None:
    """They come from the registry of the project's configuration, and have the hashes of Cargo.lock."""
    manifest = '[package]\nname = "said"\nversion = "1.0.0"\nedition = "2021"\n'
    code = f'pub fn text() -> &\'static str {{ "hello from Rust {tmp_path.name}" }}\n'
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for path, content in (("Cargo.toml", manifest), ("src/lib.rs", code)):
            member = tarfile.TarInfo(f"said-1.0.0/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    crate = data.getvalue()
    digest = hashlib.sha256(crate).hexdigest()
    root = tmp_path / "www"
    with registry(root) as server:
        row = {"name": "said", "vers": "1.0.0", "deps": [], "cksum": digest, "features": {}, "yanked": False}
        write(
            root,
            {
                "index/config.json": json.dumps({"dl": f"{server.url}/crates/{{crate}}-{{version}}.crate"}),
                "index/sa/id/said": json.dumps(row) + "\n",
            },
        )
        (root / "crates").mkdir()
        (root / "crates/said-1.0.0.crate").write_bytes(crate if good else crate + b"x")
        index = f"sparse+{server.url}/index/"
        write(
            built.root / "rustapp",
            {
                ".cargo/config.toml": f'[registries.local]\nindex = "{index}"\n',
                "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
                '[dependencies]\nsaid = { version = "1", registry = "local" }\n',
                "Cargo.lock": 'version = 3\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n'
                'dependencies = [\n "said",\n]\n\n[[package]]\nname = "said"\nversion = "1.0.0"\n'
                f'source = "{index}"\nchecksum = "{digest}"\n',
                "src/main.rs": 'fn main() { println!("{}", said::text()); }\n',
            },
        )
        configured(built, "build: {app: {source: rustapp}}\n")
        done = built.doit(*("config=modules.yaml", "files"), check=False, environment=environment(tmp_path))
    if good:
        assert done.returncode == 0, done.stdout
        assert run(built, "opt/app/bin/app") == f"hello from Rust {tmp_path.name}\n"
    else:
        assert "cargo cannot fetch what Cargo.lock names" in done.stdout
        assert "checksum" in done.stdout

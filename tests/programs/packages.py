"""Made-up packages of Python and npm, and a server on the loopback interface that has them."""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    commands: Mapping[str, str] = {},
) -> Path:
    """Write a wheel into `folder`; `commands` are its console scripts."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    entries = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if commands:
        rows = "".join(f"{command} = {target}\n" for command, target in commands.items())
        entries[f"{info}/entry_points.txt"] = f"[console_scripts]\n{rows}"
    record = "".join(
        f"{path},sha256={_digest(text.encode())},{len(text.encode())}\n" for path, text in entries.items()
    )
    entries[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in entries.items():
            archive.writestr(zipfile.ZipInfo(place), text)
    return path


def sdist(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Write a source archive into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    path.write_bytes(tarball({"PKG-INFO": metadata, **files}, f"{name}-{version}"))
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def pinned(path: Path, extra: str = "") -> str:
    """Return the line of a requirements file that pins the wheel or source archive `path`."""
    name, version = path.name.removesuffix(".tar.gz").split("-")[:2]
    return f"{name}=={version}{extra} \\\n    --hash=sha256:{sha256(path)}\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def index(root: Path, files: Sequence[Path], *, as_json: bool = False, digests: bool = True) -> None:
    """Write an index of `files`, which are below the folder `root`, into root/simple (PEP 503, PEP 691)."""
    by_name: dict[str, list[Path]] = {}
    for each in files:
        name = each.name.removesuffix(".tar.gz").split("-")[0].replace("_", "-").replace(".", "-").lower()
        by_name.setdefault(name, []).append(each)
    for name, found in by_name.items():
        page = root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        places = [(each, f"../../{each.relative_to(root)}") for each in found]
        if as_json:
            rows = [
                {"filename": each.name, "url": place, "hashes": {"sha256": sha256(each)}}
                for each, place in places
            ]
            page.write_text(json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": rows}))
        else:
            links = (
                f'<a href="{place}{f"#sha256={sha256(each)}" if digests else ""}">{each.name}</a>'
                for each, place in places
            )
            page.write_text(f"<!DOCTYPE html><html><body>{' '.join(links)}</body></html>")


def tarball(files: Mapping[str, str], top: str = "package", programs: Sequence[str] = ()) -> bytes:
    """Return a compressed tar archive of `files` below the folder `top`."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(text.encode())
            member.mode = 0o755 if path in programs else 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def integrity(data: bytes, algorithm: str = "sha512") -> str:
    """Return a hash as package-lock.json has it."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


@dataclass
class Registry:
    """A running server: its address, and the paths that were requested."""

    url: str
    requests: list[str] = field(default_factory=list)


@contextmanager
def registry(root: Path) -> Iterator[Registry]:
    """Serve the files of the folder `root` during the with block."""
    found = Registry("")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_words: object) -> None:
            """Print nothing."""

        def do_GET(self) -> None:
            found.requests.append(self.path)
            super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as http:
        found.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        try:
            yield found
        finally:
            http.shutdown()
            thread.join()

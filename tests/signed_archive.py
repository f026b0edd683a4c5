"""A small signed Debian archive in a folder, served on loopback by a server that can misbehave."""

import gzip
import hashlib
import io
import lzma
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pysequoia
import zstandard

from notos.config.model import Debian, SuiteName, Url
from notos.debian.download import Download
from tests.this_host import PATIENCE

SUITE = "trixie"
ENDLESS, ENDLESS_PIECE = 20000, 1 << 12  # pieces that "endless" sends in more than 100 s, and the size of one

Fault = Literal["500", "404", "cut", "no range", "wrong", "longer", "endless", "slow", "late"]


@dataclass(frozen=True)
class Deb:
    """A package; `files` are contents by path, a str for a symbolic link's target.

    `modes` are the modes of files by path, `scripts` the texts of control files such as postinst.
    """

    name: str
    version: str = "1"
    depends: str = ""
    provides: str = ""
    conflicts: str = ""
    replaces: str = ""
    breaks: str = ""
    architecture: str = "amd64"
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    compression: Literal["xz", "zst"] = "xz"  # Ubuntu's is zst

    @property
    def file_name(self) -> str:
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    def control(self) -> str:
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Depends": self.depends,
            "Provides": self.provides,
            "Conflicts": self.conflicts,
            "Replaces": self.replaces,
            "Breaks": self.breaks,
            "Description": "for a test\n Package: not-this-one\n .",
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)

    def _compressed(self, tar: bytes) -> bytes:
        if self.compression == "xz":
            return lzma.compress(tar, preset=0)
        return zstandard.ZstdCompressor().compress(tar)

    def stanza(self, place: str) -> str:
        """Return the stanza of an index for the package at a path of the archive."""
        data = self.build()
        return (
            f"{self.control()}Filename: {place}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )

    def build(self, *, data: Mapping[str, bytes] | None = None) -> bytes:
        """Return the .deb (deb(5)): an ar archive of three members; `data` replaces the last one."""
        members = {
            "debian-binary": b"2.0\n",
            f"control.tar.{self.compression}": self._compressed(
                _tar(
                    {
                        "control": self.control().encode(),
                        **{name: text.encode() for name, text in self.scripts.items()},
                    }
                )
            ),
            **(
                {f"data.tar.{self.compression}": self._compressed(_tar(self.files, self.modes))}
                if data is None
                else data
            ),
        }
        ar = b"!<arch>\n"
        for name, content in members.items():
            ar += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
            ar += content + b"\n" * (len(content) % 2)
        return ar


class SignedArchive:
    """Suites below `folder`, signed by a key whose certificate is in the folder `keys`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "mirror"
        self.keys = folder / "keys"
        self.keys.mkdir(parents=True)
        self.key = pysequoia.Tsk.generate(user_id="Test archive <test@mirror.example>")
        armored = pysequoia.armor(bytes(self.key.extract_certificate()), pysequoia.ArmorKind.PublicKey)
        (self.keys / "test.asc").write_text(armored if isinstance(armored, str) else armored.decode())
        for suite in (SUITE, f"{SUITE}-updates", f"{SUITE}-security"):
            self.publish([], suite=suite)

    def publish(
        self,
        debs: list[Deb],
        *,
        suite: str = SUITE,
        key: Any = None,
        by_hash: bool = True,
        fields: Mapping[str, str | None] = {},
        absent: Sequence[str] = (),
        empty: Sequence[str] = (),
    ) -> None:
        """Make `debs` all that `suite` has; `fields` of its Release replace those that it would have.

        The Release lists the files `absent` too, which the mirror lacks, and components that are `empty`.
        """
        mirror = self.root / ("debian-security" if suite.endswith("-security") else "debian")
        dists = mirror / "dists" / suite
        stanzas = []
        contents = {name: ["bin/none\tmisc/none"] for name in ("amd64", "all")}
        for each in debs:
            data = each.build()
            place = f"pool/main/{each.name}/{each.file_name}"
            _write(mirror / place, data)
            stanzas.append(
                f"{each.control()}Filename: {place}\nSize: {len(data)}\n"
                f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
            )
            if each.architecture in contents:
                lines = [f"{path}    admin/{each.name}" for path in each.files]
                contents[each.architecture] += lines
        packages = "\n".join(stanzas).encode()
        files = {
            "main/binary-amd64/Packages": packages,  # apt takes no compressed one without it
            "main/binary-amd64/Packages.xz": lzma.compress(packages),
            **{
                f"main/Contents-{name}.gz": gzip.compress("\n".join(lines).encode())
                for name, lines in contents.items()
            },
        }
        for component in empty:
            files[f"{component}/binary-amd64/Packages.xz"] = lzma.compress(b"")
        listed = ""
        for path, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            listed_place = Path(path).parent / "by-hash/SHA256" / digest if by_hash else Path(path)
            _write(dists / listed_place, data)
            listed += f"\n {digest} {len(data):>16} {path}"
        listed += "".join(f"\n {hashlib.sha256().hexdigest()} {0:>16} {path}" for path in absent)
        now = datetime.now(UTC)
        release: dict[str, str | None] = {
            "Origin": "Debian",
            "Suite": suite.replace(SUITE, "stable"),
            "Codename": suite,
            "Date": stamp(now - timedelta(hours=1)),
            "Valid-Until": stamp(now + timedelta(days=7)),
            "Acquire-By-Hash": "yes" if by_hash else None,
            **fields,
            "SHA256": listed,
        }
        text = "".join(f"{name}: {value}\n" for name, value in release.items() if value is not None)
        signed = pysequoia.sign((key or self.key).signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR)
        _write(dists / "InRelease", signed)

    def in_release(self, suite: str = SUITE) -> Path:
        mirror = self.root / ("debian-security" if suite.endswith("-security") else "debian")
        return mirror / "dists" / suite / "InRelease"


@dataclass
class Server:
    """A running server: what it was asked, and what it does wrong.

    `faults` is by the end of a path: what happens to the first requests for it, one after the other.
    """

    url: str
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    drips: threading.Event = field(default_factory=threading.Event)  # set by "endless", awaited by "late"

    def debian(self) -> Debian:
        return Debian(suite=SuiteName(SUITE), mirror=Url(f"{self.url}/debian"))

    def asked(self, end: str) -> list[str | None]:
        """Return the Range of each request for a path with this end."""
        return [ranges for path, ranges in self.requests if path.endswith(end)]

    def download(self, path: str, data: bytes) -> Download:
        return Download(path, f"{self.url}/{path}", len(data), hashlib.sha256(data).hexdigest())

    def fault(self, path: str) -> Fault | None:
        for end, faults in self.faults.items():
            if path.endswith(end) and faults:
                return faults.pop(0)
        return None


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Serve the folder `root` until the block is left."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        server = Server(f"http://127.0.0.1:{http.server_port}")
        http.daemon_threads = True
        http.block_on_close = False
        http.root, http.server = root, server  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Nothing on the tests' output."""

    def do_GET(self) -> None:
        server: Server = self.server.server  # type: ignore[attr-defined]
        server.requests.append((self.path, self.headers["Range"]))
        fault = server.fault(self.path)
        path = self.server.root / self.path.lstrip("/")  # type: ignore[attr-defined]
        if fault == "late":
            server.drips.wait(PATIENCE)
        if fault in ("500", "404") or not path.is_file():
            self.send_response(int(fault) if fault in ("500", "404") else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = path.read_bytes()
        if fault == "wrong":
            data = bytes(255 - each for each in data)
        elif fault == "longer":
            data += b"x"
        start = int((self.headers["Range"] or "bytes=0-")[6:].partition("-")[0])
        if fault == "no range":
            start = 0
        if start >= len(data) > 0:
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        rest = data[start:]
        self.send_header("Content-Length", str(1 << 40 if fault == "endless" else len(rest)))
        self.end_headers()
        if fault == "endless":
            server.drips.set()
            self._drip([bytes(ENDLESS_PIECE)] * ENDLESS)
            self.close_connection = True
        elif fault == "slow":
            self._drip([rest[at : at + (1 << 16)] for at in range(0, len(rest), 1 << 16)])
        elif fault == "cut":
            self.wfile.write(rest[: len(rest) // 2])
            self.close_connection = True
        else:
            self.wfile.write(rest)

    def _drip(self, pieces: list[bytes]) -> None:
        """Send these until the client hangs up."""
        try:
            for each in pieces:
                self.wfile.write(each)
                time.sleep(0.005)
        except OSError:
            self.close_connection = True


def stamp(moment: datetime) -> str:
    """Return a date in the format of a Release."""
    return moment.strftime("%a, %d %b %Y %H:%M:%S UTC")


def _tar(files: Mapping[str, bytes | str], modes: Mapping[str, int] = {}) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(f"./{path}")
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size, info.mode = len(content), modes.get(path, 0o755)
                tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

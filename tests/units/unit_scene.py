"""A scene for run-unit: a mount, PID and cgroup namespace in which it runs one plan with the real kernel.

/run is a folder of the test, /etc/passwd and /etc/group have two users, and /sys/fs/cgroup is cgroup2 where
this host has it. No machine boots.
"""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PASSWD = "root:x:0:0::/root:/bin/sh\nweb:x:1234:1234::/srv/web:/bin/sh\ndb:x:1300:1301::/:/usr/sbin/nologin\n"
GROUPS = "root:x:0:\nweb:x:1234:\ndb:x:1301:\nextra:x:1400:web\nlog:x:1500:\n"
LONGEST = 60.0  # seconds, for a busy host; a test that passes waits only as long as it needs
_NAMESPACES = (
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--cgroup",
    "--ipc",
    "--uts",
    "--net",
)

_SETUP = """
mount --make-rprivate /
mount --bind {run} /run
mount --bind {etc}/passwd /etc/passwd
mount --bind {etc}/group /etc/group
{cgroup}
ip link set lo up 2>/dev/null
{before}
exec "$@"
"""


def escaped(field: str) -> str:
    """Return a field of a plan."""
    return field.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def plan(*lines: Sequence[str], name: str = "test.service") -> bytes:
    """Return the bytes of a plan."""
    return "".join("\t".join(map(escaped, line)) + "\n" for line in [("name", name), *lines]).encode()


def shell(script: str, flags: str = "", key: str = "start") -> tuple[str, ...]:
    """Return the line of a command that runs a shell script. run-unit leaves its $ alone."""
    return (key, flags + ":", "/bin/sh", "sh", "-c", script)


def cgroup2() -> Path | None:
    """Return this host's cgroup2, or None."""
    for line in Path("/proc/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2" and os.access(fields[1], os.W_OK):
            return Path(fields[1])
    return None


class Running:
    """A run-unit in its namespace. `root` is the folder with run/ and the log."""

    def __init__(self, process: subprocess.Popen[bytes], scene: "Scene") -> None:
        self.process = process
        self.scene = scene

    @property
    def pid(self) -> int:
        """The process id of run-unit on this host."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text().split()[0])

    @property
    def log(self) -> str:
        """All lines that run-unit and the commands have printed so far."""
        return self.scene.log.read_text(errors="replace")

    @property
    def state(self) -> str:
        """The state of the unit; "" before it has one."""
        try:
            return (self.scene.run / "runit/svc.unit/state").read_text().split()[0]
        except (OSError, IndexError):
            return ""

    def until(self, state: str) -> None:
        """Wait for a state of the unit. Raises AssertionError if run-unit ends first."""
        self._wait(lambda: self.state == state, f"state {state}, has {self.state}")

    def until_log(self, text: str) -> None:
        """Wait for a text in the log."""
        self._wait(lambda: text in self.log, f"the text {text!r}")

    def until_file(self, path: Path) -> None:
        """Wait for a file that is not empty."""
        self._wait(lambda: path.exists() and path.stat().st_size > 0, f"the file {path}")

    def _wait(self, met: "object", what: str) -> None:
        ends = time.monotonic() + LONGEST
        while not met():  # type: ignore[operator]
            ended = self.process.poll() is not None
            if met():  # type: ignore[operator]
                return
            assert not ended, f"run-unit ended before {what}:\n{self.log}"
            assert time.monotonic() < ends, f"no {what}:\n{self.log}"
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        """Send a signal to run-unit."""
        os.kill(self.pid, number)

    def end(self) -> int:
        """Wait for the end of run-unit; return its exit status."""
        return self.process.wait(LONGEST)

    def stop(self) -> int:
        """Send TERM, as `sv down`; return the exit status."""
        self.signal(signal.SIGTERM)
        return self.end()


class Scene:
    """The folder of one test: a plan, the machine's /run, the log."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary = binary
        self.folder = folder / "svc"
        self.run = folder / "run"
        self.etc = folder / "etc"
        self.log = folder / "log"
        for each in (self.folder, self.run, self.etc):
            each.mkdir(parents=True)
        folder.chmod(0o755)
        (self.etc / "passwd").write_text(PASSWD)
        (self.etc / "group").write_text(GROUPS)
        self.before = ""  # shell commands in the namespace, before run-unit
        self.cgroup = True
        self.words: tuple[str, ...] = ()

    def write(self, lines: Sequence[Sequence[str]]) -> None:
        """Write the plan."""
        (self.folder / "unit").write_bytes(plan(*lines))

    @contextmanager
    def start(self, *lines: Sequence[str]) -> Iterator[Running]:
        """Start run-unit with the plan; kill all that is left at the end."""
        self.write(lines)
        setup = self._setup()
        command = [
            *("unshare", *_NAMESPACES, "sh", "-ec", setup, "sh", str(self.binary), *self.words),
            str(self.folder),
        ]
        with (
            self.log.open("wb") as log,
            subprocess.Popen(
                self._in_cgroup(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            ) as process,
        ):
            try:
                yield Running(process, self)
            finally:
                process.kill()
                process.wait()
                self._remove_cgroup()

    def result(self, *lines: Sequence[str]) -> tuple[int, str]:
        """Run the plan to its end; return exit status and log."""
        with self.start(*lines) as running:
            status = running.end()
        return status, self.log.read_text(errors="replace")

    def _setup(self) -> str:
        top = cgroup2() if self.cgroup else None
        mounts = "mount -t cgroup2 cgroup2 /sys/fs/cgroup" if top else "mount -t tmpfs tmpfs /sys/fs/cgroup"
        words = {"run": self.run, "etc": self.etc}
        quoted = {key: shlex.quote(str(each)) for key, each in words.items()}
        return _SETUP.format(cgroup=mounts, before=self.before, **quoted)

    @property
    def _group(self) -> Path | None:
        top = cgroup2() if self.cgroup else None
        return top / f"notos-test-{os.getpid()}-{id(self)}" if top else None

    def _in_cgroup(self, command: list[str]) -> list[str]:
        if self._group is None:
            return command
        self._group.mkdir()
        enter = f'echo $$ >{shlex.quote(str(self._group))}/cgroup.procs && exec "$@"'
        return ["sh", "-c", enter, "sh", *command]

    def _remove_cgroup(self) -> None:
        group = self._group
        if group is None or not group.exists():
            return
        (group / "cgroup.kill").write_text("1")
        ends = time.monotonic() + LONGEST
        while time.monotonic() < ends:
            try:
                for folder, _, _ in os.walk(group, topdown=False):
                    Path(folder).rmdir()
                return
            except OSError:
                time.sleep(0.02)

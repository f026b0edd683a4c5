"""A reader of a page: a copy of the project with the page's files, in which the commands run."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import yaml

from notos import loader
from notos.cache import Cache
from notos.config.model import Port
from tests.conftest import ROOT, Project, clean_environment
from tests.docs.pages import Block, Command
from tests.docs.ways import Way, way
from tests.signed_archive import Deb
from tests.this_host import PATIENCE, free_port, wait_until

LIMIT = PATIENCE  # seconds, for a boot and for a command, on a loaded host without KVM
STEADY = 5.0  # seconds that a service has to keep its process
KEY = "alice_key.pub"
# Other files of a reader, which the examples of the page name.
_DEBS = {
    path: Deb(name).build() for path, name in (("my.deb", "my"), ("debs/a.deb", "a1"), ("more/b.deb", "b1"))
}
READERS_FILES: Mapping[str, str | bytes] = {
    **_DEBS,
    "keys/example.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
    "etc/ssh.conf": "Compression yes\n",
    "fix.patch": "",
    "app/hello.c": "int main(void) { return 0; }\n",
    "keys/vendor.asc": (ROOT / "notos/debian/keys/debian-archive-trixie-stable.asc").read_text(),
    "site/index.html": "",
    "services/metrics/run": "#!/bin/sh\nexec sleep 1000000\n",
    "signing.pem": "",
    KEY: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0CzXyqXs1g3nAJm0JvmVIk5vMZP9gKZ8r3d3sZrX9w\n",
}
# `disk: {size: 10G}` and the like must fit on the tests' host.
SMALLER: Mapping[str, object] = {"disk": {"size": "512M"}}
_TASK = re.compile(r"[\w:-]+ +[0-9.]+ s(  \(.*)?")
# Printed where .venv is made (tests/test_bootstrap.py), or at a terminal only (tests/boot/test_terminal.py).
_NOT_HERE = re.compile(r"doit: making \.venv|runvm\.sh: booting .*|ready in .*")


def write_files(root: Path, found: Iterable[Block]) -> None:
    """Write the files that a page shows, and other files of its reader."""
    shown = {each.path: each.text for each in found if each.path}
    for name, text in {**READERS_FILES, **shown}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        if path.read_bytes().startswith(b"#!"):
            path.chmod(0o755)


def write_config(root: Path, name: str, found: Iterable[Block]) -> Path | None:
    """Write config.yaml with all lines for a config that a page has; None, and no file, where it has none."""
    imports, over = [], {}
    for each in found:
        if not each.is_config or each.is_whole or each.path or each.not_run:
            continue
        part = root / f"lines-{each.line}.yaml"
        part.write_text(each.text)
        imports.append(part.name)
        over.update({key: value for key, value in SMALLER.items() if key in yaml.safe_load(each.text)})
    if not imports:
        return None
    path = root / "config.yaml"
    path.write_text(yaml.safe_dump({"imports": imports, "name": name, **over}, sort_keys=False))
    return path


class Session:
    """The commands of a page, run in order; `program` returns the command of a program of the host."""

    def __init__(self, project: Project, page: str, found: list[Block], program: Callable[[str], list[str]]):
        self.root = project.root
        self._blocks = found
        self._program = program
        self._machine: subprocess.Popen[bytes] | None = None
        self._console = self.root / "console"
        self._ports: dict[int, int] = {}  # of this host, by the machine's
        self._forward: Mapping[Port, Port] = {}
        write_files(self.root, found)
        write_config(self.root, Path(page).stem.lower(), found)
        self._environment = {**clean_environment(), **self._home()}
        for words in ("init -q", "add .", "commit -q -m Clone"):
            self._call(["git", *words.split()])
        (self.root / ".venv").symlink_to(sys.prefix)

    def _home(self) -> dict[str, str]:
        """Make the reader's home, with the cache and ssh's configuration; return the environment."""
        home, programs = self.root.parent / "home", self.root.parent / "bin"
        (home / ".cache").mkdir(parents=True)
        (home / ".cache/notos").symlink_to(Cache.default().root)
        programs.mkdir()
        self._ssh_config = home / "ssh_config"
        self._ssh_config.touch()
        configured = ["-F", str(self._ssh_config)]
        for name, more in {
            "git": [],
            "ssh": configured,
            "scp": [*configured, "-S", str(programs / "ssh")],
            "ssh-keygen": [],
        }.items():
            words = shlex.join([*self._program(name), *more])
            (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (programs / name).chmod(0o755)
        who = {
            f"GIT_{role}_{what}": "reader" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        who["GIT_TEMPLATE_DIR"] = ""
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        return {"HOME": str(home), "NOTOS_CACHE": str(Cache.default().root), "PATH": path, **who}

    def run(self) -> None:
        """Run all commands of the page, and compare their output. Raises AssertionError."""
        try:
            for block in self._blocks:
                if block.text.startswith("Host "):
                    self._configure_ssh(block.text)
                for command in () if block.not_run else block.commands:
                    printed = self._run(block, command)
                    if not block.not_compared:
                        compare(f"{block.page}:{command.line}", command, printed)
        finally:
            self.end()

    def _configure_ssh(self, text: str) -> None:
        port = str(self._ports.get(22, 2222))
        text = re.sub(r"^( *Port) \d+$", rf"\1 {port}", text, flags=re.MULTILINE)
        self._ssh_config.write_text(text.replace("~/", f"{self._environment['HOME']}/"))

    def _run(self, block: Block, command: Command) -> str:
        how = way(command.text)
        assert how, f"{block.page}:{command.line}: no way to prove: {command.text}"
        match how.kind:
            case "boot":
                return self._boot(command.text)
            case "fetch":
                return self._fetch(how, command.text)
            case "machine" if command.text in ("./doit ssh", "./doit ssh 'COMMAND'"):
                return self._shell(block, "./doit ssh true")
            case "machine" | "run":
                return self._shell(block, command.text)
        return ""

    def _shell(self, block: Block, text: str) -> str:
        done = self._call(["/bin/sh", "-c", text], check=False)
        assert done.returncode == 0, f"{block.place}: {text}: status {done.returncode}\n{done.stdout}"
        if text.startswith("ssh-keygen"):
            self._use_key()
        return done.stdout

    def _use_key(self) -> None:
        """Put the key that a command has just made in the place of the page's, as the reader does."""
        old, new = (each.split()[1] for each in (str(READERS_FILES[KEY]), (self.root / KEY).read_text()))
        for path in self.root.glob("lines-*.yaml"):
            path.write_text(path.read_text().replace(old, new))

    def _call(self, words: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {**self._environment, **({"SSH_PORT": str(self._ports[22])} if self._ports else {})}
        done = subprocess.run(
            words,
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT,
        )
        assert not check or done.returncode == 0, f"{words}: status {done.returncode}\n{done.stdout}"
        return done

    def _fetch(self, how: Way, text: str) -> str:
        match = re.fullmatch(how.pattern, text)
        assert match
        port = self._ports[self._forward[Port(int(match["port"]))]]
        as_curl = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"User-Agent": "curl/8.14.1"})

        def answer() -> str | None:
            with suppress(OSError), urllib.request.urlopen(as_curl, timeout=LIMIT) as page:
                return str(page.read().decode())
            return None

        return wait_until(answer, f"{text}: nothing answers", tick=0.2)

    def _boot(self, text: str) -> str:
        """Build the machine, then boot it with free ports in place of those of the config."""
        self.end()
        build, _, start = text.rpartition("&& ")
        printed = self._call(["/bin/sh", "-ec", build.removesuffix("&& ") or "./doit runvm"]).stdout
        named = re.search(r"(?:--config |config=)(\S+)", build)
        machine = loader.load(self.root / (named[1] if named else "config.yaml")).machine
        self._forward = machine.vm.forward
        self._ports = {guest: free_port() for guest in machine.vm.forward.values()}
        forward = " ".join(f"{host}:{guest}" for guest, host in self._ports.items())
        with self._console.open("wb") as stream:
            self._machine = subprocess.Popen(
                ["/bin/sh", "-c", f"exec env {start}"],
                cwd=self.root,
                env={**self._environment, "FORWARD": forward, "ACCEL": "tcg"},
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_for_ssh(["./doit", *(named[0].split() if named else []), "ssh", "true"])
        self._stay_up(["./doit", *(named[0].split() if named else []), "ssh"])
        if "console" in machine.services:
            self._type_at_the_console()
        return printed + self._console.read_text(errors="replace").replace("\r", "")

    def _type_at_the_console(self) -> None:
        """Type a command at the console, in the shell of a service of the page."""
        assert self._machine and self._machine.stdin
        self._machine.stdin.write(b"\necho typed=$((6 * 7)) in $PWD\n")
        self._machine.stdin.flush()
        wait_until(lambda: "typed=42 in /root" in self._printed(), self._printed, tick=0.2)

    def _wait_for_ssh(self, words: list[str]) -> None:
        def answers() -> bool:
            done = self._call(words, check=False)
            assert self._machine and self._machine.poll() is None, done.stdout + self._printed()
            return done.returncode == 0

        wait_until(answers, self._printed, tick=0.5)

    def _printed(self) -> str:
        """Return what the machine has printed on its console."""
        return self._console.read_text(errors="replace")

    def _stay_up(self, words: list[str]) -> None:
        """Check that services keep their processes, after those that wait for others have started."""
        end, before = time.monotonic() + LIMIT, ""
        while True:
            # Its exit status counts the services that runsv does not know yet.
            status = self._call([*words, "sv status /run/service/*"], check=False).stdout
            now = re.sub(r"\) \d+s", ")", status)
            if now == before and all(line.startswith("run: ") for line in status.splitlines()):
                return
            logs = "tail -n 5 /var/log/*/current"
            assert time.monotonic() < end, status + self._call([*words, logs], check=False).stdout
            before = now
            time.sleep(STEADY)

    def end(self) -> None:
        """Quit the machine by ctrl-a x, as a reader does."""
        if self._machine is None:
            return
        try:
            self._machine.communicate(b"\x01x", timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self._machine.pid, signal.SIGKILL)
            self._machine.wait()
        self._machine, self._ports = None, {}


def compare(place: str, command: Command, printed: str) -> None:
    """Find the lines that the page shows in what was printed, in order; numbers and store hashes may differ.

    Tasks may come in any order, for two run at a time. "…" stands for anything. Raises AssertionError.
    """
    lines = iter([line.rstrip() for line in printed.splitlines()])
    for shown in command.output:
        if shown.strip() in ("", "…") or _NOT_HERE.fullmatch(shown):
            continue
        among = printed.splitlines() if _TASK.fullmatch(shown.strip()) else lines
        assert any(re.fullmatch(_pattern(shown), line) for line in among), (
            f"{place}: {command.text} does not print {shown!r}, or not in this order\n{printed}"
        )


_TOKEN = re.compile(
    r"(?P<hash>(?<=/nix/store/)[0-9a-z]{32})|(?P<number>(?<!stage-)[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<any>…)|(?P<blank> +)"
)
_LIKE = {"hash": "[0-9a-z]{32}", "number": r"[0-9]+(?:\.[0-9]+)?", "any": ".*", "blank": " +"}


def _pattern(shown: str) -> str:
    parts, at = [], 0
    for match in _TOKEN.finditer(text := shown.rstrip()):
        parts += [re.escape(text[at : match.start()]), _LIKE[match.lastgroup or ""]]
        at = match.end()
    return "".join([*parts, re.escape(text[at:])])

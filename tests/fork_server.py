"""Runs of `notos` in processes forked from one that has all modules of notos/ loaded, which saves time.

    python -m tests.fork_server KEYS

trusts the archive keys in the folder KEYS. It reads a line of JSON for each run, with its folder, words and
the file that its output goes to, and answers with its status.
"""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent


class ForkServer:
    """The server as a child of this process, for as long as the block lasts."""

    def __init__(self, keys: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(keys)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, folder: Path, *words: str) -> str:
        """Run `notos WORDS` in a project; return its output. Raises AssertionError where it fails."""
        assert self._process.stdin is not None and self._process.stdout is not None
        output = folder / "output.txt"
        self._process.stdin.write(
            json.dumps({"folder": str(folder), "words": words, "output": str(output)}) + "\n"
        )
        self._process.stdin.flush()
        status = self._process.stdout.readline().strip()
        said = output.read_text()
        assert status == "0", f"notos {' '.join(words)} in {folder}: {status}\n{said}"
        return said


def _run(folder: str, words: list[str], output: str) -> int:
    """Run one command, as a child of the server does; return its status."""
    stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(stream, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    try:
        from tasks.command_line import main

        return main(words, "notos")
    except BaseException:
        traceback.print_exc()
        return 99


def _serve(keys: Path) -> None:
    import doit.doit_cmd
    import yaml

    import notos
    from notos.debian import release
    from tasks import sources

    assert doit.doit_cmd and yaml
    for each in pkgutil.walk_packages(notos.__path__, "notos."):
        if ".vm" not in each.name and not each.name.endswith("__main__"):
            importlib.import_module(each.name)
    for module in list(sys.modules):
        if module.startswith("notos."):
            sources.parse(module)
    certificates = release.certificates
    release.certificates = lambda folder=keys: certificates(keys)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            status = _run(asked["folder"], asked["words"], asked["output"])
            sys.stdout.flush()
            os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))

"""A pytest plugin that shows how far a run is: a live line on a terminal, else a line every half minute.

It takes the place of pytest's dots. Load it by `-p tests.progress`; with xdist it works in the process that
starts the others.
"""

import os
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

# Standard output as it is before pytest captures what tests print.
_OUT = os.dup(1)
_LIVE = 1.0  # seconds between two states of the live line


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options: how long the run takes, and how often it says how far it is."""
    parser.addoption("--about", type=int, default=0, help="minutes that this run takes on two quiet cores")
    parser.addoption("--plain-seconds", type=float, default=30, help="between two lines without a terminal")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Show the progress of this run, unless this is one of xdist's workers or nothing is to be run."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.register(Progress(config), "notos-progress")


class Progress:
    """Counts the tests that have ended, and writes the lines."""

    def __init__(self, config: pytest.Config) -> None:
        self._live = os.isatty(_OUT)
        self._pause = _LIVE if self._live else float(config.option.plain_seconds)
        self._about = int(config.option.about)
        self._begun = time.monotonic()
        self._total = 0
        self._ended = 0
        self._failed = 0
        self._running: dict[str, float] = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def state(self, width: int) -> str:
        """Return one line: elapsed time, tests that have ended, those that failed, and the running ones."""
        seconds = round(time.monotonic() - self._begun)
        about = f" of about {self._about} min" if self._about else ""
        failed = f", {self._failed} failed" if self._failed else ""
        line = f"{seconds // 60}:{seconds % 60:02}{about}  {self._ended} of {self._total} tests{failed}"
        for name in sorted(self._running, key=self._running.__getitem__):
            line += f"  {name.removeprefix('tests/')}"
        return line if len(line) < width else f"{line[: width - 2]}…"

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests, and begin. With xdist, this process has none."""
        self._total = len(session.items)
        self._ticker.start()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Count the tests that one of xdist's workers has found; all find the same."""
        self._total = len(ids)
        if not self._ticker.is_alive():
            self._ticker.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test begins."""
        with self._lock:
            self._running[nodeid] = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that has ended, and name one that failed at once."""
        with self._lock:
            if report.failed:
                self._failed += 1
                self._write(
                    f"FAILED {report.nodeid}" + (f" ({report.when})" if report.when != "call" else "")
                )
            if report.when == "teardown":
                self._ended += 1
                self._running.pop(report.nodeid, None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str]:
        """Leave out pytest's letters, and keep its counts."""
        if report.passed:
            return ("passed" if report.when == "call" else "", "", "")
        outcome = "error" if report.failed and report.when != "call" else report.outcome
        return (outcome, "", outcome.upper())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """End before pytest's own last lines."""
        self._over.set()
        with self._lock:
            self._running.clear()
            self._write(self.state(10_000))

    def _tick(self) -> None:
        while not self._over.wait(self._pause):
            with self._lock:
                if self._over.is_set():
                    return
                if self._live:
                    _put(f"\r\x1b[K{self.state(shutil.get_terminal_size().columns)}")
                else:
                    self._write(self.state(10_000))

    def _write(self, line: str) -> None:
        _put(f"\r\x1b[K{line}\n" if self._live else f"{line}\n")


def _put(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more
        os.write(_OUT, text.encode(errors="replace"))

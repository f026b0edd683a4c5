"""The console: lines as a terminal shows them, for any split of the bytes; waits; the log."""

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.vm.console import Console
from tests.this_host import wait_until

LONG = 120.0  # seconds; no wait takes half of it
TEXT = st.text(st.characters(exclude_characters="\r\n\x00\x1b", exclude_categories=["Cs"]), max_size=20)


class Pipe:
    """A console and the pipe that it reads."""

    def __init__(self, log: Path | None = None) -> None:
        reader, writer = os.pipe()
        self.stream: IO[bytes] = os.fdopen(writer, "wb", buffering=0)
        self.console = Console(os.fdopen(reader, "rb", buffering=0), log, time.monotonic())

    def end(self) -> Console:
        self.stream.close()
        self.console.close()
        return self.console


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.end()


@given(st.lists(TEXT), TEXT, st.integers(1, 7))
def test_lines_do_not_depend_on_the_split_of_bytes(lines: list[str], last: str, size: int) -> None:
    pipe = Pipe()
    data = ("\r\n".join([*(f"\x1b[0m{line}" for line in lines), last])).encode()
    for at in range(0, len(data), size):
        pipe.stream.write(data[at : at + size])
    texts = [each.text for each in pipe.end().lines]
    assert texts == ([*lines, last] if last else lines)


def test_a_prompt_is_found_before_its_line_ends(pipe: Pipe) -> None:
    pipe.stream.write(b"one\ntwo\nlogin: ")
    wait_until(lambda: pipe.console.partial.endswith(": "), "no prompt")
    assert pipe.console.find("login: ") is None
    found = pipe.console.find("login: ", prompt=True)
    assert found is not None and found[0] == 2
    assert pipe.console.find(re.compile("^t.o$"))[0] == 1  # type: ignore[index]
    assert pipe.console.find("one", first=1) is None
    assert pipe.console.find("t.o") is None
    assert pipe.console.tail(2) == ["two", "login: "]


@pytest.mark.parametrize("size", [1, 7])
def test_a_pattern_never_matches_an_incomplete_line(pipe: Pipe, size: int) -> None:
    """A long line arrives in pieces: a wait returns all of it, and a number has all its digits."""
    line = "x" * 60 + " pid 12345"

    def drip() -> None:
        data = f"{line}\r\nrest".encode()
        for at in range(0, len(data), size):
            pipe.stream.write(data[at : at + size])
            time.sleep(0.002)

    writer = threading.Thread(target=drip)
    writer.start()
    found = wait_until(lambda: pipe.console.find(re.compile(r"x{20,} pid (\d+)")), "no line", tick=0.001)
    assert (found[1].string, found[1][1]) == (line, "12345")
    writer.join()
    assert pipe.console.find("rest") is None
    assert pipe.console.find("re", prompt=True) is not None


def test_settle_waits_for_all_output() -> None:
    """Each output begins the wait for silence anew."""
    pipe = Pipe()

    def drip() -> None:
        for number in range(20):
            pipe.stream.write(b"%d\n" % number)
            time.sleep(0.01)
        pipe.stream.close()

    writer = threading.Thread(target=drip)
    writer.start()
    begun = time.monotonic()
    pipe.console.settle(LONG, LONG)
    assert time.monotonic() - begun < LONG / 2  # the console has ended
    assert pipe.console.find("19")
    writer.join()
    pipe.end()


def test_settle_ends_with_silence_or_at_its_limit(pipe: Pipe) -> None:
    begun = time.monotonic()
    pipe.stream.write(b"more\n")
    pipe.console.settle(0.1, LONG)
    pipe.console.settle(LONG, 0.1)
    assert time.monotonic() - begun < LONG / 2


def test_a_wait_returns_at_once(pipe: Pipe) -> None:
    over = threading.Event()

    def drip() -> None:
        # Again and again: a wait that begins late misses the first ones.
        while not over.wait(0.05):
            pipe.stream.write(b"here\n")

    writer = threading.Thread(target=drip)
    writer.start()
    begun = time.monotonic()
    pipe.console.wait(LONG)
    assert time.monotonic() - begun < LONG / 2
    over.set()
    writer.join()
    assert pipe.console.find("here")


def test_no_wait_after_the_end(pipe: Pipe) -> None:
    pipe.stream.write(b"last words")
    console = pipe.end()
    assert [each.text for each in console.lines] == ["last words"]
    begun = time.monotonic()
    console.wait(LONG)
    assert time.monotonic() - begun < LONG / 2


def test_the_log_has_times_and_notes(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path / "console.log")
    pipe.stream.write("grüße \ud83d\n".encode(errors="surrogatepass"))
    wait_until(lambda: pipe.console.lines, "no line")
    pipe.console.note("true: status 0")
    pipe.end()
    lines = (tmp_path / "console.log").read_text().splitlines()
    assert re.fullmatch(r"[ \d]{4}\d\.\d{3}  grüße \ufffd+", lines[0])
    assert re.fullmatch(r"[ \d]{4}\d\.\d{3}  » true: status 0", lines[1])

"""Running programs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from notos.errors import ToolError
from notos.process import run


def test_output_and_input() -> None:
    assert run(["/bin/sh", "-c", "read -r x; echo $x $LC_ALL"], input=b"in\n") == b"in C\n"


def test_a_failure_names_the_command_to_paste() -> None:
    with pytest.raises(ToolError) as caught:
        run(["/bin/sh", "-c", "echo 'it is broken' >&2; exit 3"], hint="mend it")
    assert caught.value.message.startswith("exit status 3 from: /bin/sh -c 'echo '")
    assert "| it is broken" in caught.value.message
    assert caught.value.hint == "mend it"


def test_a_missing_program() -> None:
    with pytest.raises(ToolError, match=r"cannot run /none/such: No such file"):
        run(["/none/such"])


def test_a_child_does_not_outlive_us(tmp_path: Path) -> None:
    """SIGKILL of Notos takes what it runs along."""
    code = f"from notos.process import run; run(['/bin/sh', '-c', 'echo $$ >{tmp_path}/pid; exec sleep 600'])"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent)
    deadline = time.monotonic() + 120
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent")

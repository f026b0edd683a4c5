"""Running programs."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from notos.errors import ToolError
from notos.process import run
from tests.this_host import has_ended, wait_until


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
    code = f"from notos.process import run; run(['/bin/sh', '-c', 'echo $$ >{tmp_path}/pid; exec sleep 900'])"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent)
    path = tmp_path / "pid"
    wait_until(lambda: path.exists() and path.read_text().strip(), "the child does not run")
    child = int(path.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: has_ended(child), "the child outlived its parent")

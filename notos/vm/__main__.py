"""python -m notos.vm PATH: a Python prompt with the machine that was built there, to write tests by hand."""

import argparse
import code
import os
import sys
import time
from pathlib import Path

from notos.errors import NotosError
from notos.vm import Machine

BANNER = """\
{name} is up after {seconds:.1f} s. `machine` is a notos.vm.Machine: machine.succeed("uptime"), help(machine).
Its console: {log}. Leave by ctrl-d, which ends it.\
"""


class Prompt(code.InteractiveConsole):
    """Python's own, but that problems of ours are told in one piece, without a traceback."""

    def showtraceback(self) -> None:
        """Called with what was raised as sys.exception()."""
        error = sys.exc_info()[1]
        if isinstance(error, NotosError):
            self.write(f"{type(error).__name__}: {error}\n")
        else:
            super().showtraceback()


def main() -> int:
    """Boot, prompt, end; 1 when the machine does not boot."""
    parser = argparse.ArgumentParser(prog="python -m notos.vm", description=__doc__)
    parser.add_argument("path", type=Path, help="its runvm.sh, or the folder that this is in")
    asked = parser.parse_args()
    try:
        machine = Machine(asked.path)
        machine.artefacts = machine.built.folder / "repl"
        with machine:
            machine.wait_for_boot()
            _prompt(machine, time.monotonic() - machine.started)
    except NotosError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _prompt(machine: Machine, seconds: float) -> None:
    here = {"machine": machine}
    if sys.stdin.isatty():
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(here).complete)
        readline.parse_and_bind("tab: complete")
    assert machine.artefacts
    log = os.path.relpath(machine.artefacts / "console.log")
    banner = BANNER.format(name=machine.built.folder.name, seconds=seconds, log=log)
    Prompt(here).interact(banner, exitmsg="")


if __name__ == "__main__":
    sys.exit(main())

"""python -m notos.vm PATH: a Python prompt with the machine built at PATH, to try out test code."""

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
Its console: {log}. Press ctrl-d to leave; this ends the machine.\
"""


class Prompt(code.InteractiveConsole):
    """Python's prompt, except that a NotosError is shown without a traceback."""

    def showtraceback(self) -> None:
        """Show the current exception, sys.exception()."""
        error = sys.exc_info()[1]
        if isinstance(error, NotosError):
            self.write(f"{type(error).__name__}: {error}\n")
        else:
            super().showtraceback()


def main() -> int:
    """Boot the machine, run the prompt, end the machine; return 1 if it does not boot."""
    parser = argparse.ArgumentParser(prog="python -m notos.vm", description=__doc__)
    parser.add_argument("path", type=Path, help="the machine's runvm.sh, or its folder")
    arguments = parser.parse_args()
    try:
        machine = Machine(arguments.path)
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

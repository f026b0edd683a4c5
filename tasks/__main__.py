"""python -m tasks: ./doit without its environment, for the project in the current directory."""

import sys

from notos.errors import NotosError
from notos.host import utf8


def main() -> int:
    """Run the command line; an interrupt while Python still loads it has no traceback either."""
    utf8.ensure()
    try:
        from tasks import doit_version

        doit_version.check()
        from tasks.command_line import main as run
    except NotosError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 3
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130
    return run(sys.argv[1:], "./doit")


if __name__ == "__main__":
    sys.exit(main())

"""A program for the machine's own Python: compile files to unchecked hash-based .pyc files (PEP 552).

Standard input has one file per line: the source, its path in the machine, and the output, separated by tabs.
Files that this version of Python cannot compile get no output. The code is compiled and never run.
"""

import contextlib
import os
import py_compile
import sys


def main() -> None:
    """Compile the files on standard input in as many processes as the first argument says."""
    rows = [line.split("\t") for line in sys.stdin.read().splitlines()]
    jobs = int(sys.argv[1])
    children = []
    for job in range(jobs):
        child = os.fork()
        if not child:
            status = 1
            try:
                for source, shown, output in rows[job::jobs]:
                    _compile(source, shown, output)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    sys.exit(max(os.waitpid(child, 0)[1] for child in children) != 0)


def _compile(source: str, shown: str, output: str) -> None:
    # Files for another version of Python, and templates, do not compile.
    with contextlib.suppress(py_compile.PyCompileError, SyntaxError, ValueError, RecursionError):
        py_compile.compile(
            source,
            cfile=output,
            dfile=shown,
            doraise=True,
            optimize=0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    main()

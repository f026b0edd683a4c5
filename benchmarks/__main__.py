"""The command python -m benchmarks: measure, print a table, write JSON. `./doit bench` runs it."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from benchmarks import boots, builds, figures, formats, kernels, machines, nix
from benchmarks.figures import Figure
from benchmarks.scene import Scene
from notos.atomic import remove_folder
from notos.errors import NotosError

ALL: tuple[Callable[[Scene, int], Iterator[Figure]], ...] = (
    *(builds.cold, builds.clean, builds.nothing, builds.edits, builds.package, builds.sizes),
    *(boots.ssh, boots.marks, boots.switch, formats.cpio, formats.squashfs, formats.initrd, builds.tenfold),
    *(nix.nix, nix.nar, machines.driver),
    *(kernels.compiling, kernels.booting, machines.soak),
)


def main() -> int:
    """Run the selected benchmarks; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="doit bench", description=__doc__)
    names = ", ".join(each.__name__ for each in ALL)
    parser.add_argument("--runs", type=int, default=5, help="number of runs of each benchmark")
    parser.add_argument("--only", default="*", help=f"glob of benchmarks: {names}")
    parser.add_argument("--against", type=Path, help="JSON file of an earlier run, to compare with")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="output file")
    options = parser.parse_args()
    try:
        before = figures.load(options.against) if options.against else {}
    except (OSError, ValueError) as error:
        print(f"cannot compare with {options.against}: {error}", file=sys.stderr)
        return 1
    chosen = [each for each in ALL if fnmatch(each.__name__, options.only)]
    if not chosen:
        print(f"no benchmark matches {options.only}; choose from {names}", file=sys.stderr)
        return 1
    found: list[Figure] = []
    failed = 0
    folder = Path(tempfile.mkdtemp(prefix="notos-bench-"))
    try:
        scene = Scene(folder)
        for each in chosen:
            title = (each.__doc__ or "").partition("\n")[0]
            print(f"{each.__name__}: {title}", file=sys.stderr, flush=True)
            try:
                for figure in each(scene, options.runs):
                    print("  " + figures.table([figure], before).splitlines()[1], file=sys.stderr, flush=True)
                    found.append(figure)
            except (RuntimeError, NotosError) as error:
                print(f"  failed: {error}", file=sys.stderr)
                failed = 1
    finally:
        remove_folder(folder)
    figures.dump(found, options.json)
    host = figures.host()
    print(f"\n{host['processor']}, {host['cores']} cores, Python {host['python']}; saved in {options.json}\n")
    print(figures.table(found, before))
    return failed


if __name__ == "__main__":
    sys.exit(main())

"""The boot report: the built machine booted several times, and the time of each step."""

from pathlib import Path
from typing import TYPE_CHECKING

from notos import atomic
from notos.home import own
from tasks import reporter
from tasks.config import FEATURES, MACHINE, build
from tasks.graph import Task, action, params
from tasks.image import RUNVM
from tasks.usage import from_caller, usage

if TYPE_CHECKING:
    from notos.boot_chart.timeline import Recording

NAME = "boot-report"
LOOK = own("scripts/timeline/look")


def task_boot_report() -> Task:
    """boot several times and report where the time goes"""
    return {
        "basename": NAME,
        "actions": [action(measure)],
        "task_dep": ["runvm"],
        "params": params(
            runs=(5, "number of measured boots; one more comes first, to warm the caches"),
            against=("", "JSON of an earlier report for comparison", "FILE"),
            json=("", f"the JSON to write (default: {build(f'{NAME}.json')})", "FILE"),
            svg=("", "the picture to draw (default: beside the JSON)", "FILE"),
        ),
        "meta": usage(example="--runs 10 --against before.json"),
    }


def measure(runs: int, against: str, json: str, svg: str) -> None:
    """Boot, print the table, write JSON and the picture. Raises MachineError."""
    from notos.boot_chart import report as boot_report
    from notos.boot_chart import svg as waterfall
    from notos.boot_chart import timeline
    from notos.errors import MachineError
    from notos.host import processor

    if runs < 1:
        raise MachineError(f"invalid --runs: {runs}", hint="a number from 1, for example 5")
    if not FEATURES.login:
        raise MachineError(
            "the machine has no ssh server, so the end of its boot is unknown", hint="set ssh.server"
        )
    before = boot_report.load(from_caller(against)) if against else None
    written = from_caller(json) if json else Path(build(f"{NAME}.json"))
    drawn = from_caller(svg) if svg else written.with_suffix(".svg")
    boots = []
    for number in range(runs + 1):
        reporter.show(f"boot {number} of {runs} …" if number else "warm-up boot …")
        accelerator, recording = boot(Path(RUNVM))
        # The first boot reads all files from the host's disk.
        if number:
            boots.append(timeline.read(recording))
    reporter.clear()
    cpu = processor.name() or "an unknown processor"
    report = boot_report.Report(MACHINE.name, accelerator, cpu, boots)
    boot_report.dump(report, written)
    drawn.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(drawn, waterfall.render(report), mode=None)
    print(f"{boot_report.heading(report)}\n\n{boot_report.table(report, before)}\n")
    for remark in boot_report.remarks(report, before):
        print(remark)
    print(f"written to {written}, drawn in {drawn}")


def boot(script: Path) -> tuple[str, "Recording"]:
    """Boot once; return the accelerator and the recording. Raises MachineError."""
    from notos.boot_chart.timeline import Recording
    from notos.vm import Machine

    with Machine(script) as vm:
        banner = vm.wait_for_banner()
        said = vm.succeed(Path(LOOK).read_text())
        lines = [(line.at, line.text) for line in vm.console.lines]
        return vm.accelerator, Recording(vm.started, vm.resumed, banner, lines, said)

"""Benchmarks of builds, outputs and machines."""

import sys

from tasks.developer_tools import run
from tasks.graph import Task, action, params
from tasks.usage import usage


def task_bench() -> Task:
    """measure the figures of docs/performance.md"""
    return {
        "actions": [action(bench)],
        "params": params(
            runs=(5, "number of runs of each benchmark"),
            only=("*", "glob of the benchmarks to run", "NAME"),
            against=("", "JSON of an earlier run for comparison", "FILE"),
            json=("build/bench.json", "the JSON to write", "FILE"),
        ),
        "meta": usage(example="--only 'boot*' --runs 3"),
    }


def bench(runs: int, only: str, against: str, json: str) -> None:
    """Run the benchmarks with live output. Raises ToolError."""
    compared = ["--against", against] if against else []
    words = ["--runs", str(runs), "--only", only, "--json", json, *compared]
    run([sys.executable, "-m", "benchmarks", *words])

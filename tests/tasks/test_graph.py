"""Conditions that all tasks have which doit may skip."""

from typing import Any

import pytest

from tasks import command_line, graph
from tasks.uptodate import Intact, Unchanged


def act() -> None:
    """Do nothing."""


def conditions(**task: Any) -> list[type]:
    def task_x() -> graph.Task:
        """make x"""
        return {"actions": [act], **task}

    (made,) = graph.named(task_x)
    return [type(each) for each in made["uptodate"]]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({}, []),
        ({"task_dep": ["lock"]}, []),
        ({"file_dep": ["config.yaml"]}, [Unchanged]),
        ({"uptodate": [True]}, [bool, Unchanged]),
        ({"targets": ["build/x"]}, [Unchanged, Intact]),
        ({"file_dep": ["config.yaml"], "targets": ["build/x"]}, [Unchanged, Intact]),
    ],
)
def test_a_task_that_may_be_skipped_compares_code_and_inputs(
    task: dict[str, Any], expected: list[type]
) -> None:
    assert conditions(**task) == expected


def test_no_task_is_skipped_without_them() -> None:
    for each in command_line.load({}).values():
        has = {type(condition[0]) for condition in each.uptodate}
        assert (Unchanged in has) == bool(each.file_dep or each.targets or each.uptodate), each.name

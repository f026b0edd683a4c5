"""Answers of debconf. The tools have no debconf: the cases follow debconf-devel(7) and its source."""

import pytest

from notos.debian.debconf import Questions

TEMPLATES = b"""Template: x/port
Type: string
Default: 80
Description: The port
 Default: not a field

Template: x/kind
Type: select
Choices: small, large
Description: The kind

Template: x/kind-with-default
Type: select
Choices: small, large
Default: large

Template: shared/manager
Type: select
Choices: ${choices}
"""


def answer(questions: Questions, name: str) -> str | None:
    return questions.call(("db_get", name), certain=True)["RET"]


def test_an_answer_is_the_default_or_what_a_script_sets() -> None:
    questions = Questions("x", TEMPLATES)
    assert answer(questions, "x/port") == "80"
    questions.call(("db_set", "x/port", "81"), certain=True)
    assert answer(questions, "x/port") == "81"
    questions.call(("db_set", "x/port", "82"), certain=False)
    assert answer(questions, "x/port") is None
    assert answer(questions, "other/question") is None
    assert questions.has("x/port")
    assert not questions.has("other/question")


@pytest.mark.parametrize(("name", "chosen"), [("x/kind", "small"), ("x/kind-with-default", "large")])
def test_of_choices_the_first_is_chosen_without_a_default(name: str, chosen: str) -> None:
    questions = Questions("x", TEMPLATES)
    questions.call(("db_input", "high", name), certain=True)
    assert answer(questions, name) == chosen


def test_choices_can_be_filled_with_the_owners_of_a_shared_question() -> None:
    """Display managers ask so which of them is the default."""
    questions = Questions("x", TEMPLATES)
    owners = questions.call(("db_metaget", "shared/manager", "owners"), certain=True)["RET"]
    assert owners == "x"
    assert questions.call(("db_metaget", "shared/manager", "choices"), certain=True)["RET"] == "${choices}"
    questions.call(("db_subst", "shared/manager", "choices", owners), certain=True)
    questions.call(("db_input", "high", "shared/manager"), certain=True)
    assert answer(questions, "shared/manager") == "x"
    others = Questions("x", TEMPLATES, frozenset(("shared/manager",)))
    assert others.call(("db_metaget", "shared/manager", "owners"), certain=True)["RET"] is None


def test_flags() -> None:
    questions = Questions("x", TEMPLATES)
    assert questions.call(("db_fget", "x/port", "seen"), certain=True) == {"RET": "false"}
    questions.call(("db_fset", "x/port", "seen", "true"), certain=True)
    assert questions.call(("db_fget", "x/port", "seen"), certain=True) == {"RET": "true"}
    questions.call(("db_fset", "x/port", "seen", "false"), certain=False)
    assert questions.call(("db_fget", "x/port", "seen"), certain=True) == {"RET": None}

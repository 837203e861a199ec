"""A condition that cannot be read or has no answer is told in our words: where, what, and what to do."""

from __future__ import annotations

import pytest

from cerebelum_engine.cel_faults import unanswerable, unreadable
from cerebelum_engine.conditions import Condition, ConditionError
from cerebelum_engine.values import Value

NAMES = ("score", "inputs")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "something is missing, at its end"),
        ("score >", "something is missing, at its end"),
        ("size(score", "something is missing, at its end"),
        ("score == 'high", "a text is not closed: end it with ', at `'high` (character 10)"),
        ("scroe > 1", "'scroe' is unknown: name `inputs` or a step of this workflow, at `scroe > 1` (character 1)"),
        ("len(score) > 1", "CEL has no function 'len', at `(score) > 1` (character 4)"),
        ("score = 1", "compare with ==, at `= 1` (character 7)"),
        ("score <> 1", "write != for `<>`, at `> 1` (character 8)"),
        ("score > 1 and inputs > 2", "write && for `and`, at `and inputs > 2` (character 11)"),
        ("score or inputs", "write || for `or`, at `or inputs` (character 7)"),
        ("not score", "write ! for `not`, at `score` (character 5)"),
        ("score is null", "write == for `is`, at `is null` (character 7)"),
        ("score == None", "CEL spells it null, at `None` (character 10)"),
        ("score == True", "CEL spells it true, at `True` (character 10)"),
        ("score > 1\n&& 1 + 'x' == 2", "+ cannot be applied to a whole number and a text, at `+ 'x' == 2` (line 2"),
        ("score > 1 ? true : false false", "it cannot be read, at `false` (character 26)"),
        ("score + 1", "it gives int, not a yes or no"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(text: str, told: str) -> None:
    with pytest.raises(ConditionError) as raised:
        Condition(text, NAMES).check()
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "score", "told"),
    [
        ("score > 1", "x", "> cannot be applied to a text and a whole number"),
        ("score.size() > 1", 3, "size cannot be applied to a whole number"),
        ("score.a == 1", {}, "a mapping has no member 'a': ask has(...) for it first"),
        ("score[3] == 1", [1], "a list of 1 has no element 3: ask size(...) first"),
        ("score.a == 1", 7, "it asks a value for a member that is no mapping"),
        ("score / 0 == 1", 1, "it divides by zero: ask for zero first"),
        ("score + 1 > 2", 2**63 - 1, "a number needs more than 64 bits"),
        ("inputs == 1", 1, "'inputs' has no value here: it did not run, or gave none"),
        ("score.map(a, score.map(b, a * b)).size() > 1", list(range(200)), "it takes more than 10,000 steps"),
        ("score", "x", "it gave string, not a yes or no"),
    ],
)
def test_what_has_no_answer_says_why(text: str, score: Value, told: str) -> None:
    with pytest.raises(ConditionError) as raised:
        Condition(text, NAMES).holds({"score": score})
    assert str(raised.value).startswith(told)


def test_a_complaint_of_an_unknown_form_is_passed_on_without_its_codes() -> None:
    assert unreadable("x", "INVALID_ARGUMENT: the moon is full [INVALID_ARGUMENT]\n ^") == "the moon is full"
    assert unanswerable("UNKNOWN: the moon is full") == "the moon is full"

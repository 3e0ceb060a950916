"""The rule for a step that may have begun, over every word of the catalog and all that can be known of a step."""

from datetime import timedelta
from itertools import product

import pytest

from consumer.catalog import Again, StepReadBack, StepRule, WorkflowPolicy, parse_catalog
from consumer.errors import ConfigError
from consumer.heal.runs.again import Begun, begun, may_begin_again
from consumer.heal.runs.step_read_back import StepEffect, effect_in
from consumer.model.call import Answer, NotSent
from consumer.runners.contract import StepPhase, StepState
from tests.support.pipeline import catalog

SAYS = {Again.YES: True, Again.KEYED: True, Again.NO: False, None: False}


@pytest.mark.parametrize(("word", "same_run"), [*product(SAYS, (True, False))])
def test_only_what_never_began_or_is_declared_is_begun_again(word: Again | None, same_run: bool) -> None:
    rule = None if word is None else StepRule(again=word)
    may = SAYS[word] and (same_run or word is not Again.KEYED)
    assert (may_begin_again("charge", rule, Begun.PERHAPS, same_run=same_run) is None) == may
    assert may_begin_again("charge", rule, Begun.NOT, same_run=same_run) is None


def test_a_step_that_refused_its_input_takes_another_unless_the_catalog_says_no() -> None:
    assert may_begin_again("charge", None, Begun.REFUSED_INPUT) is None
    assert may_begin_again("charge", StepRule(again=Again.NO), Begun.REFUSED_INPUT) is not None


@pytest.mark.parametrize("phase", StepPhase)
def test_a_step_has_begun_unless_it_is_known_not_to_have(phase: StepPhase) -> None:
    never = phase in (StepPhase.BLOCKED, StepPhase.QUEUED, StepPhase.SKIPPED)
    assert begun(StepState(name="s", phase=phase)) is (Begun.NOT if never else Begun.PERHAPS)
    assert begun(StepState(name="s", phase=phase, attempts=1)) is Begun.PERHAPS
    shown = phase in (StepPhase.RUNNING, StepPhase.SUCCEEDED)  # whatever a count says beside it
    assert begun(StepState(name="s", phase=phase, attempts=0)) is (Begun.PERHAPS if shown else Begun.NOT)
    assert begun(None) is Begun.PERHAPS


def test_the_words_of_yaml_are_read_as_they_are_meant_and_the_first_pattern_counts() -> None:
    text = catalog(steps='{charge: {again: no}, "*": {again: yes}}')
    policy = parse_catalog(text).policy("orders")
    assert isinstance(policy, WorkflowPolicy)
    rules = [policy.rule_of(step) for step in ("charge", "reserve")]
    assert [rule.again for rule in rules if rule is not None] == [Again.NO, Again.YES]
    with pytest.raises(ConfigError, match="secret://NOBODY"):
        parse_catalog(
            catalog(steps='{s: {read_back: {url: "http://127.0.0.1/{run.id}", headers: {a: "secret://NOBODY"}}}}')
        )


def answer(status: int, body: bytes = b"{}", kind: str = "application/json") -> Answer:
    return Answer(status=status, headers=(("Content-Type", kind),), body=body, truncated=False, elapsed=timedelta(0))


NOBODY = NotSent(kind="ConnectError", reason="refused", elapsed=timedelta(0))


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (answer(404), StepEffect.NOTHING),
        (answer(404, b"<html>", "text/html; charset=utf-8"), StepEffect.UNKNOWN),
        (answer(200, b'{"items": []}'), StepEffect.NOTHING),
        (answer(200, b"{}"), StepEffect.NOTHING),
        (answer(200, b'{"items": [1]}'), StepEffect.HAPPENED),
        (answer(200, b'{"items": 0}'), StepEffect.HAPPENED),
        (answer(200, b'{"items": '), StepEffect.UNKNOWN),
        (answer(503), StepEffect.UNKNOWN),
        (NOBODY, StepEffect.UNKNOWN),
    ],
    ids=["404", "a page", "empty", "absent", "there", "zero is a value", "half", "503", "nobody there"],
)
def test_a_read_back_says_nothing_only_where_it_is_seen(result: Answer | NotSent, says: StepEffect) -> None:
    look = StepReadBack(url="http://127.0.0.1/charges/{run.id}", value="/items")
    assert effect_in(result, look) is says
    bare = StepReadBack(url="http://127.0.0.1/charges/{run.id}")
    assert effect_in(answer(200), bare) is StepEffect.HAPPENED

from functools import cache

import pytest

from consumer.diagnose import diagnose
from consumer.plan.default_ladder import RETRIES, strategy_for
from schemas.names import StrategyName
from tests.support.sdk_errors import SdkError, aws_left_out, permanent, transient

LEAST = {"botocore": 350, "stripe": 24, "openai": 20, "httpx2": 24, "grpc": 48}
"""How many errors are read at least: a package that tells them otherwise than today must not pass for being silent."""

read_transient = cache(transient)
read_permanent = cache(permanent)


def retried(error: SdkError) -> bool:
    return diagnose(error.reason, error.context).disposition in RETRIES


def told(errors: list[SdkError]) -> str:
    """Give the errors one a line, each with what was made of it."""
    lines = [f"{len(errors)} are not as they should be:"]
    for error in errors:
        made = diagnose(error.reason, error.context)
        lines.append(f"{made.failure_type} {made.disposition} <- {error.error} {error.reason[:160]!r}")
    return "\n".join(lines)


@pytest.mark.parametrize("package", LEAST)
def test_an_error_that_a_client_tries_again_is_diagnosed_as_one_to_try_again(package: str) -> None:
    errors = read_transient()[package]
    assert len(errors) >= LEAST[package]
    missed = [error for error in errors if not retried(error)]
    assert len(missed) <= 0.02 * len(errors), told(missed)


def test_over_all_clients_together_too() -> None:
    errors = [error for some in read_transient().values() for error in some]
    missed = [error for error in errors if not retried(error)]
    assert len(missed) <= 0.02 * len(errors), told(missed)


def test_few_errors_are_left_out_for_being_marked_against_their_own_status() -> None:
    marked, left_out = aws_left_out()
    assert marked >= 200
    assert left_out <= 0.05 * marked


@pytest.mark.parametrize("package", LEAST)
def test_for_none_of_them_a_workflow_is_rewritten(package: str) -> None:
    rewritten = [
        error
        for error in read_transient()[package]
        if strategy_for(diagnose(error.reason, error.context), error.context) is StrategyName.WORKFLOW_REWRITE
    ]
    assert not rewritten, told(rewritten)


@pytest.mark.parametrize("package", ["botocore", "stripe", "openai", "grpc"])
def test_an_error_that_comes_again_however_often_one_tries_is_not_tried_again(package: str) -> None:
    errors = read_permanent()[package]
    assert len(errors) >= 10
    repeated = [error for error in errors if retried(error)]
    assert len(repeated) <= 0.05 * len(errors), told(repeated)

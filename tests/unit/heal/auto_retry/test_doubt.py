"""What is kept of a doubt: whatever the other side has said, it can be stored, and is read back as it was."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.heal.auto_retry import AutoRetry
from consumer.heal.auto_retry.doubt import DoubtState, doubt_of, suspend
from consumer.heal.calls.read_back import LookLater, LookProgress
from consumer.heal.calls.session import CallSession
from consumer.heal.calls.status_verdict import Definite, EarlierAnswer, MayHaveRun, Repeat
from consumer.heal.kept import MAX_STATE_BYTES, decode_state, encode_state
from consumer.model import Proof
from consumer.redact import redact_json
from schemas.context import RequestContext, request_of
from schemas.names import Code, Verdict
from tests.support.healing import NOW, Clock, Gate, NoCalls, failure, policy, task

SECOND = timedelta(seconds=1)
REQUEST = {"method": "POST", "url": "https://shop.example/charges", "read_back": {"url": "https://shop.example/17"}}
LATER = LookLater(why="answered 404", wait=8 * SECOND, progress=LookProgress(left=20 * SECOND, looks=4))
SECRET = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"


def session(clock: Clock) -> CallSession:
    failed = failure({"request": REQUEST})
    strategy = AutoRetry(NoCalls(), redact_json, sleep=clock.sleep, now=clock.now)
    request = request_of(failed.context)
    assert isinstance(request, RequestContext)
    return CallSession(
        task=task(strategy, failed, policy()),
        gate=Gate(),
        pause=clock.sleep,
        tools=strategy._tools,  # noqa: SLF001 - those of the strategy
        request=request,
        resume=None,
    )


def stored(state: object) -> DoubtState:
    assert isinstance(state, DoubtState)
    kept = encode_state(state)
    assert len(state.model_dump_json().encode()) <= MAX_STATE_BYTES
    read = decode_state(kept, (DoubtState,))
    assert isinstance(read, DoubtState)
    return read


@given(
    why=st.text(max_size=400),
    otherwise=st.text(max_size=400),
    details=st.lists(st.text(alphabet='\U0001f600\\"\x01a\ud800', max_size=300), max_size=8),
    asked=st.none() | st.timedeltas(min_value=-SECOND, max_value=timedelta(days=400)),
)
def test_whatever_was_said_a_doubt_can_be_kept(
    why: str, otherwise: str, details: list[str], asked: timedelta | None
) -> None:
    healing = session(Clock())
    healing.tries += [{"n": n, "failure": "ReadTimeout", "seconds": 10.125} for n in range(40)]
    healing.looks += [{"n": n, "status": 404, "seconds": 0.125} for n in range(40)]
    judged = MayHaveRun(why=why, answer=EarlierAnswer(asked_wait=asked))
    proofs = [Proof(oracle="schema", verdict=Verdict.FAILED, detail=detail) for detail in details]
    doubt = doubt_of(
        healing, "answer", judged, calls=3, otherwise=Definite(why=otherwise), code=Code.UNVERIFIED, proofs=proofs
    )
    state = suspend(healing, doubt, LATER).state
    assert stored(state) == state


def test_a_secret_that_an_answer_echoes_is_not_kept() -> None:
    healing = session(Clock())
    judged = MayHaveRun(why=f"answered 500: token {SECRET} is unknown")
    proofs = (Proof(oracle="schema", verdict=Verdict.FAILED, detail=f"{SECRET} is no id"),)
    state = suspend(healing, doubt_of(healing, "answer", judged, proofs=proofs), LATER).state
    assert SECRET not in str(stored(state))


@pytest.mark.parametrize(
    ("passes", "left"),
    [(0, 20), (3, 17), (8, 12), (500, 12), (-500, 20)],
    ids=["at once", "early", "in time", "late", "by a clock that is behind"],
)
def test_only_what_has_passed_of_the_wait_is_taken_off_the_quiet_time(passes: float, left: float) -> None:
    healing = session(Clock())
    state = stored(suspend(healing, doubt_of(healing, "call", MayHaveRun(why="lost")), LATER).state)
    assert state.progress(NOW + passes * SECOND) == LookProgress(left=left * SECOND, looks=4)


def test_a_wait_that_was_asked_for_goes_on_while_nobody_waits() -> None:
    healing = session(Clock())
    repeat = Repeat(why="answered 409", throttled=False)
    judged = MayHaveRun(why="it exists", answer=EarlierAnswer(asked_wait=None))
    doubt = doubt_of(healing, "refusal", judged, calls=1, otherwise=repeat).model_copy(update={"asked_wait": 60.0})
    assert doubt.after(8 * SECOND).otherwise() == replace(repeat, answer=EarlierAnswer(asked_wait=52 * SECOND))
    assert doubt.after(8 * SECOND).after(90 * SECOND).judged().answer == EarlierAnswer(asked_wait=timedelta(0))


def test_the_moment_is_a_time_with_its_zone() -> None:
    healing = session(Clock())
    state = suspend(healing, doubt_of(healing, "call", MayHaveRun(why="lost")), LATER).state
    assert isinstance(state, DoubtState)
    assert datetime.fromisoformat(str(encode_state(state).content["since"])) == NOW

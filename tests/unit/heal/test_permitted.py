"""An effect whose permission was lost before its first byte is begun again, and that is no try."""

from datetime import timedelta

import pytest

from consumer.errors import RevokedClaim
from consumer.heal.gate import run_permitted
from consumer.model.call import NOT_PERMITTED, CallResult, NotSent
from tests.support.healing import Gate

NOTHING = timedelta(0)
STALE = NotSent(kind=NOT_PERMITTED, reason="lost", elapsed=NOTHING)
REFUSED = NotSent(kind="ConnectError", reason="refused", elapsed=NOTHING)


@pytest.mark.parametrize("stalls", [0, 1, 3])
async def test_it_asks_again_until_it_may_start(stalls: int) -> None:
    gate, results = Gate(), [STALE] * stalls + [REFUSED]

    async def act() -> CallResult:
        return results.pop(0)

    assert await run_permitted(gate, act) == REFUSED
    assert gate.begins == stalls + 1


async def test_what_was_asked_for_and_not_sent_is_taken_back() -> None:
    gate, results = Gate(), [STALE, STALE, REFUSED]

    async def act() -> CallResult:
        return results.pop(0)

    await run_permitted(gate, act)
    assert gate.unsents == 2


async def test_it_learns_why_it_may_not_start_any_more() -> None:
    async def act() -> CallResult:
        return STALE

    with pytest.raises(RevokedClaim):
        await run_permitted(Gate(refuse_at=2, refusal=RevokedClaim("decided")), act)

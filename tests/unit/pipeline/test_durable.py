"""Until durable: an absent database is waited for; what it refuses alone is found by halving."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from consumer.errors import RefusedByDatabase, TransientError
from consumer.pipeline.durable import FIRST_REST, LONGEST_REST, bisect_batch, until_durable


class Database:
    """Fails so often, then answers; remembers the rests between."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.noted: list[float] = []
        self.rests: list[timedelta] = []

    async def attempt(self) -> str:
        if self.failures:
            self.failures -= 1
            raise TransientError("away")
        return "durable"

    def failed(self, error: TransientError, rest: float) -> None:
        assert str(error) == "away"
        self.noted.append(rest)

    async def sleep(self, rest: timedelta) -> None:
        self.rests.append(rest)


@pytest.mark.parametrize("failures", [0, 1, 9])
async def test_an_absent_database_is_waited_for_with_growing_jittered_rests(failures: int) -> None:
    database = Database(failures)
    assert await until_durable(database.attempt, database.failed, sleep=database.sleep) == "durable"
    doubled = [min(FIRST_REST * 2**n, LONGEST_REST) for n in range(failures)]
    assert [timedelta(seconds=rest) for rest in database.noted] == doubled
    assert all(whole / 2 <= rest <= whole for rest, whole in zip(database.rests, doubled, strict=True))


async def test_a_refusal_is_not_waited_for() -> None:
    async def refuse() -> str:
        raise RefusedByDatabase("never")

    database = Database(0)
    with pytest.raises(RefusedByDatabase):
        await until_durable(refuse, database.failed, sleep=database.sleep)
    assert not database.rests


@pytest.mark.parametrize("bad", [[], [0], [7], [3, 4], [0, 1, 2, 3, 4, 5, 6, 7]])
async def test_only_what_is_refused_by_itself_goes_alone_and_everything_keeps_its_order(bad: list[int]) -> None:
    tried: list[int] = []

    async def together(some: Sequence[int]) -> list[int]:
        tried.append(len(some))
        if any(one in bad for one in some):
            raise RefusedByDatabase(f"one of {some}")
        return list(some)

    async def alone(one: int, error: RefusedByDatabase) -> list[int]:
        assert str(error) == f"one of [{one}]"
        return [-one - 1]

    parts = await bisect_batch(list(range(8)), together, alone)
    assert [one for part in parts for one in part] == [-n - 1 if n in bad else n for n in range(8)]
    assert len(tried) <= 1 + 2 * 3 * max(1, len(bad))

"""What a topic takes is learnt from its refusals, and forgotten as slowly."""

import pytest

from consumer.kafka import topic_limit
from consumer.kafka.topic_limit import LIMIT_AGAIN, LOWEST_LIMIT, TopicLimit


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_each_refusal_halves_it_down_to_what_every_message_can_be_cut_to() -> None:
    limit = TopicLimit(900_000)
    limit.refused(100_000)
    assert limit.now() == 50_000
    limit.refused(900_000)
    assert limit.now() == 25_000
    for _ in range(9):
        limit.refused(limit.now())
    assert limit.now() == LOWEST_LIMIT


def test_it_is_doubled_again_once_in_a_while_up_to_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(topic_limit, "time", clock)
    limit = TopicLimit(900_000)
    limit.refused(900_000)
    assert limit.now() == limit.now() == 450_000
    clock.now += LIMIT_AGAIN + 1
    assert limit.now() == limit.now() == 900_000

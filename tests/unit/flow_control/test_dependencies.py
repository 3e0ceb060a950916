"""Room of dependencies, and who waits for it."""

from consumer.flow_control.dependencies import Dependencies


def test_who_waits_for_what_has_room_is_woken_and_what_nobody_waits_for_is_forgotten_once_it_is_idle() -> None:
    dependencies = Dependencies(first=1)
    dependencies.note_waiting("a")
    assert dependencies.with_room() == {"a": 1}
    dependencies.mark_unhealthy("a")
    assert dependencies.with_room() == {}
    dependencies.mark_healthy("a")
    dependencies.started("a")
    assert dependencies.with_room() == {}
    dependencies.forget_waiters(["a"])
    dependencies.ended("a", healthy=True)
    assert dependencies.with_room() == {"a": 2}
    dependencies.forget_waiters(["a"])
    assert dependencies.with_room() == {}

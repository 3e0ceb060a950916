"""Room of dependencies, and who waits for it."""

from uuid import UUID

from consumer.flow_control.dependencies import Dependencies
from consumer.model import Health, OrgId


def well(key: str) -> Health:
    return Health(key=key, org_id=OrgId(UUID(int=1)), dependency="http://works", healthy=True, probe=False)


def test_who_waits_for_what_has_room_is_woken_and_what_nobody_waits_for_is_forgotten() -> None:
    dependencies = Dependencies(first=1)
    dependencies.note_waiting(["a"])
    assert dependencies.with_room() == {"a": 1}
    dependencies.mark_unhealthy("a")
    assert dependencies.with_room() == {}
    dependencies.mark_healthy("a")
    dependencies.started("a")
    assert dependencies.with_room() == {}
    dependencies.ended("a", healthy=True)
    assert dependencies.with_room() == {"a": 2}
    dependencies.nobody_waits(["a"], dependencies.notes)
    assert dependencies.with_room() == {}


def test_who_came_to_wait_during_a_look_that_found_nobody_is_not_forgotten() -> None:
    """The look began before their transaction ended, and could not see them."""
    dependencies = Dependencies(first=1)
    dependencies.note_waiting(["a", "b"])
    notes = dependencies.notes
    dependencies.note_waiting(["a"])
    dependencies.nobody_waits(["a", "b", "c"], notes)
    assert dependencies.with_room() == {"a": 1}
    assert dependencies.matters(well("a"))
    assert not dependencies.matters(well("b"))

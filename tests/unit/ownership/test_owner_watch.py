"""An owner is dead when it did not renew for a whole lease while it was watched, by the watcher's own clock."""

from datetime import timedelta

from consumer.model import OwnerId
from consumer.ownership.owner_watch import OwnerWatch

A, B = OwnerId("a"), OwnerId("b")
LEASE = timedelta(seconds=15)


def watched(looks: list[tuple[float, dict[OwnerId, str]]]) -> OwnerWatch:
    watch = OwnerWatch(LEASE)
    for at, renewals in looks:
        watch.look(renewals, at, at + 0.01)
    return watch


def every_half_second(
    until: float, said: dict[OwnerId, str], since: float = 0.0
) -> list[tuple[float, dict[OwnerId, str]]]:
    return [(since + n / 2, said) for n in range(int((until - since) * 2) + 1)]


def test_a_watcher_that_just_began_waits_a_lease() -> None:
    assert watched(every_half_second(14.5, {A: "1"})).dead() == {}
    assert watched(every_half_second(15.5, {A: "1"})).dead() == {A: "1"}


def test_one_renewal_is_a_life() -> None:
    looks = [*every_half_second(14.5, {A: "1"}), *every_half_second(29, {A: "2"}, since=15)]
    assert watched(looks).dead() == {}


def test_only_who_does_not_renew_is_dead() -> None:
    looks = [(n / 2, {A: "1", B: str(n)}) for n in range(40)]
    assert watched(looks).dead() == {A: "1"}


def test_after_a_gap_the_watch_begins_anew() -> None:
    # The database was away: nobody could renew, and nobody is dead for that.
    looks = [*every_half_second(10, {A: "1"}), *every_half_second(26, {A: "1"}, since=12.5)]
    assert watched(looks).dead() == {}


def test_an_owner_that_left_is_forgotten_and_a_new_one_is_watched_from_now_on() -> None:
    looks = [*every_half_second(20, {A: "1"}), *every_half_second(30, {B: "1"}, since=20.5)]
    assert watched(looks).dead() == {}


def test_a_look_that_was_answered_late_is_no_proof_of_the_time_in_between() -> None:
    watch = OwnerWatch(LEASE)
    watch.look({A: "1"}, 0.0, 1.5)  # read somewhere between the two
    for n in range(1, 16):
        watch.look({A: "1"}, float(n), n + 0.5)
    assert watch.dead() == {}
    watch.look({A: "1"}, 16.6, 16.7)
    assert watch.dead() == {A: "1"}

"""How much of one organisation is set aside: as much as it leaves to the others, in records and in bytes."""

from uuid import uuid4

from consumer.model import FailureId, OrgId, Record
from consumer.store.aside import AsideLimits, ToSetAside, fitting

ORG, OTHER = OrgId(uuid4()), OrgId(uuid4())


def records(number: int, org: OrgId = ORG, size: int = 10) -> list[ToSetAside]:
    return [
        ToSetAside(
            failure_id=FailureId(uuid4()),
            org_id=org,
            record=Record(
                topic="t", partition=0, offset=n, timestamp_ms=0, key=b"k", value=b"x" * (size - 1), headers=()
            ),
        )
        for n in range(number)
    ]


def test_the_first_records_are_chosen_and_half_of_the_room_is_left() -> None:
    wanted = records(100)
    chosen = fitting(wanted, {}, AsideLimits(rows=40, bytes=10**9))
    assert chosen == wanted[:20]


def test_another_organisation_has_room_when_one_has_all_of_its_own() -> None:
    shares = {ORG: (20, 200)}
    assert fitting(records(1), shares, AsideLimits(rows=40, bytes=10**9)) == []
    assert len(fitting(records(100, OTHER), shares, AsideLimits(rows=40, bytes=10**9))) == 10


def test_bytes_are_bounded_alike() -> None:
    chosen = fitting(records(100, size=10), {}, AsideLimits(rows=10**6, bytes=400))
    assert len(chosen) == 20


def test_a_record_that_is_too_large_does_not_keep_smaller_ones_out() -> None:
    large, small = records(1, size=300), records(3, size=10)
    assert fitting(large + small, {}, AsideLimits(rows=100, bytes=400)) == small

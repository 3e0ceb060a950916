"""A plain value is frozen to the checker, whose complaint below is demanded, and is else what a dataclass is."""

from dataclasses import replace

import pytest

from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0


def test_the_checker_lets_no_field_be_assigned_to() -> None:
    point = Point(x=1)
    point.x = 2  # type: ignore[misc]  # the checker of the tests fails where this is not refused


def test_it_is_equal_and_hashed_by_its_fields_and_can_be_replaced_in_part() -> None:
    assert {Point(x=1, y=2)} == {replace(Point(x=1), y=2)}
    assert Point(x=1) != Point(x=2)


def test_it_has_the_named_fields_alone() -> None:
    with pytest.raises(AttributeError):
        Point(x=1).z = 3  # type: ignore[attr-defined]

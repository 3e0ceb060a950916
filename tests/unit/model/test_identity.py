"""Ids made here are the same as the standard library's, whatever they are made of."""

from uuid import UUID, uuid5

import orjson
from hypothesis import given
from hypothesis import strategies as st

from consumer.model.identity import to_driver_uuid, uuid5_from_bytes
from schemas.json_text import to_json


@given(st.uuids(), st.text(st.characters(exclude_categories=["Cs"])))
def test_an_id_by_name_is_the_one_that_every_other_implementation_makes(space: UUID, name: str) -> None:
    made = uuid5_from_bytes(space.bytes, name)

    assert made == uuid5(space, name)
    assert (made.version, made.variant) == (5, uuid5(space, name).variant)


@given(st.uuids(), st.uuids())
def test_an_id_of_the_drivers_type_stands_for_its_equal_everywhere(one: UUID, other: UUID) -> None:
    of_driver = to_driver_uuid(one)

    assert isinstance(of_driver, UUID)
    assert (str(of_driver), of_driver.bytes, hash(of_driver)) == (str(one), one.bytes, hash(one))
    assert {of_driver: "found"}[one] == {one: "found"}[of_driver] == "found"
    assert sorted([of_driver, other]) == sorted([one, other])
    assert to_json({"id": of_driver}) == orjson.dumps({"id": str(one)})

"""Documents as models and networks send them, of a second source: restored, handed back as they came, or refused."""

from collections import Counter

import pytest

from consumer.repair.repair import repair_text
from consumer.repair.values import Repair, RepairStatus
from schemas.names import Grade
from tests.support.as_sent.letters import Letter, Right, letters
from tests.support.as_sent.schemas import PUBLISHED
from tests.support.damaged.schema_positions import same

_SEED = 7


@pytest.fixture(scope="module")
def answered() -> list[tuple[Letter, Repair]]:
    return [
        (letter, repair_text(letter.text, letter.schema, most=Grade.INVENTIVE)) for letter in letters(_SEED, rounds=2)
    ]


def _shown(found: list[tuple[Letter, Repair]]) -> list[tuple[str, str, object]]:
    return [(letter.kind, letter.text[:300], repair.document or repair.reason) for letter, repair in found[:5]]


def test_97_of_100_are_restored_and_none_becomes_another(answered: list[tuple[Letter, Repair]]) -> None:
    broken = [one for one in answered if one[0].right is Right.RESTORED]
    refused = [one for one in broken if one[1].status is RepairStatus.REFUSED]
    wrong = [
        (letter, repair)
        for letter, repair in broken
        if repair.status is not RepairStatus.REFUSED and not same(repair.document, letter.original)
    ]
    assert len(broken) > 1500
    assert not _shown(wrong)
    assert len(refused) <= 0.03 * len(broken), Counter(letter.kind for letter, _ in refused)


def test_what_is_valid_comes_back_as_it_came(answered: list[tuple[Letter, Repair]]) -> None:
    whole = [one for one in answered if one[0].right is Right.AS_IT_CAME]
    assert len(whole) > 70
    assert not _shown([
        (letter, repair)
        for letter, repair in whole
        if repair.status is not RepairStatus.VALID or repair.edits or not same(repair.document, letter.original)
    ])  # fmt: skip


def test_what_has_no_one_answer_is_refused(answered: list[tuple[Letter, Repair]]) -> None:
    lost = [one for one in answered if one[0].right is Right.REFUSED]
    assert len(lost) > 900
    assert not _shown([one for one in lost if one[1].status is not RepairStatus.REFUSED])


def test_each_schema_has_its_letters(answered: list[tuple[Letter, Repair]]) -> None:
    names = Counter(letter.kind.partition(":")[0] for letter, _ in answered)
    assert set(names) == {published.name for published in PUBLISHED}
    assert min(names.values()) > 100

"""Documents of a third source, six trades: restored, handed back as they came, or refused."""

from collections import Counter

from consumer.repair.repair import repair_text
from consumer.repair.values import RepairStatus
from schemas.names import Grade
from tests.support.damaged.schema_positions import same
from tests.support.elsewhere.damage import damaged, lost, whole

_SEED = 20261130


def test_97_of_100_are_restored_and_none_becomes_another() -> None:
    sent = damaged(_SEED, 300)
    answered = [(one, repair_text(one.text, one.schema, most=Grade.INVENTIVE)) for one in sent]
    refused = [one.kind for one, repair in answered if repair.status is RepairStatus.REFUSED]
    wrong = [
        (one.kind, one.text[:300], repair.document)
        for one, repair in answered
        if repair.status is not RepairStatus.REFUSED and not same(repair.document, one.original)
    ]
    assert not wrong
    assert len(refused) <= 0.03 * len(sent), Counter(refused)


def test_what_has_no_one_answer_is_refused() -> None:
    answered = [(one, repair_text(one.text, one.schema, most=Grade.INVENTIVE)) for one in lost(_SEED, 100)]
    assert not [(one.kind, one.text) for one, repair in answered if repair.status is not RepairStatus.REFUSED]


def test_what_is_valid_comes_back_as_it_came() -> None:
    for one in whole(_SEED, 100):
        repair = repair_text(one.text, one.schema, most=Grade.INVENTIVE)
        assert repair.status is RepairStatus.VALID, (one.kind, repair.reason)
        assert not repair.edits
        assert same(repair.document, one.original)

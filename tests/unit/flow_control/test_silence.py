"""The dead-letter limit's decision: everybody's silence pauses, no amount of noise does."""

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from consumer.flow_control.silence import claim_of, claims_of, is_reached, is_well, silent_beats
from consumer.model import OrgId, Record
from consumer.model.voice import HeardInterval, ReportingSource, SilentSources
from consumer.settings import DeadLetterLimitSettings

LIMIT = DeadLetterLimitSettings()
ORG = OrgId(UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10"))
BUSY = HeardInterval(organisations=40, sources=8)
STEADY = HeardInterval(organisations=4, sources=3)
SILENCE = HeardInterval(organisations=0, sources=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    name: str
    beats: list[HeardInterval]
    """Newest first."""
    silent: int | None


TABLE = [
    Heard(name="nobody was ever heard", beats=[], silent=None),
    Heard(name="all as usual", beats=[BUSY] * 360, silent=None),
    Heard(name="a bad deploy in a busy fleet shows in two beats", beats=[SILENCE] * 2 + [BUSY] * 360, silent=2),
    Heard(name="one beat is what is under way", beats=[SILENCE] + [BUSY] * 360, silent=None),
    Heard(name="in a fleet that is not busy it takes longer", beats=[SILENCE] * 8 + [STEADY] * 360, silent=8),
    Heard(name="before that nobody can tell", beats=[SILENCE] * 6 + [STEADY] * 360, silent=None),
    Heard(
        name="a fleet too quiet to tell",
        beats=[SILENCE] * 90 + [SILENCE, SILENCE, SILENCE, HeardInterval(organisations=1, sources=1)] * 90,
        silent=None,
    ),
    Heard(
        name="an evening's lull",
        beats=[HeardInterval(organisations=16, sources=4)] * 12 + [BUSY] * 360,
        silent=None,
    ),
    Heard(
        name="one large source failing alone leaves the others' sources heard",
        beats=[HeardInterval(organisations=2, sources=7)] * 12 + [BUSY] * 360,
        silent=None,
    ),
    Heard(
        name="somebody made up a thousand sources for an hour and then stopped",
        beats=[BUSY] * 12 + [HeardInterval(organisations=41, sources=1008)] * 360,
        silent=None,
    ),
    Heard(name="the first minutes of a fleet", beats=[SILENCE] * 2 + [BUSY], silent=2),
    Heard(name="long over: the silence itself is usual now", beats=[SILENCE] * 450, silent=None),
]


@pytest.mark.parametrize("case", TABLE, ids=[case.name for case in TABLE])
def test_only_the_silence_of_those_who_are_usually_accepted_counts(case: Heard) -> None:
    assert silent_beats(case.beats, LIMIT) == case.silent


def _poisson(random: Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


@pytest.mark.parametrize("seed", range(3))
def test_chance_alone_is_no_silence_through_a_day_whose_evening_is_half_as_busy(seed: int) -> None:
    random, heard = Random(seed), list[HeardInterval]()
    for beat in range(8640):
        mean = 3 * (1.5 + math.sin(beat / 8640 * 2 * math.pi)) / 2
        heard.insert(0, HeardInterval(organisations=_poisson(random, mean), sources=_poisson(random, mean)))
        del heard[450:]
        assert silent_beats(heard, LIMIT) is None, beat


def test_a_bad_deploy_is_seen_within_so_many_beats_as_make_thirty_voices() -> None:
    for a_beat in (1, 2, 5, 15, 100):
        usual = [HeardInterval(organisations=a_beat, sources=a_beat)] * 360
        seen = next(n for n in range(1, 91) if silent_beats([SILENCE] * n + usual, LIMIT) is not None)
        longest = max(2, math.ceil(LIMIT.expected / a_beat))
        assert LIMIT.share * longest <= seen + 1 <= longest + 1


@pytest.mark.parametrize(
    ("failing", "reached"),
    [
        pytest.param(SilentSources(sources=5, organisations=40, letters=900), True, id="a bad deploy"),
        pytest.param(SilentSources(sources=1, organisations=400, letters=90_000), False, id="one source alone"),
        pytest.param(SilentSources(sources=9, organisations=1, letters=90_000), False, id="one organisation's sources"),
        pytest.param(SilentSources(sources=5, organisations=40, letters=29), False, id="a handful"),
        pytest.param(SilentSources(sources=0, organisations=0, letters=0), False, id="strangers alone"),
        pytest.param(SilentSources(sources=3, organisations=3, letters=30), True, id="just as many as are needed"),
    ],
)
def test_many_sources_and_organisations_must_have_dead_letters(failing: SilentSources, *, reached: bool) -> None:
    assert is_reached(failing, LIMIT) is reached


@pytest.mark.parametrize(
    ("accepted", "refused", "well"), [(0, 0, None), (1, 0, True), (0, 1, False), (3, 3, True), (2, 3, False)]
)
def test_a_probe_is_well_when_at_least_as_many_were_accepted_as_refused(
    accepted: int, refused: int, *, well: bool | None
) -> None:
    assert is_well(accepted, refused) is well


def record(value: bytes | None, *headers: tuple[str, bytes]) -> Record:
    return Record(topic="t", partition=0, offset=0, timestamp_ms=0, key=None, value=value, headers=headers)


DATA = {"org_id": str(ORG), "workflow_name": "w"}
EVENT = {"specversion": "1.0", "id": "1", "source": "urn:a", "type": "x", "data": DATA}


@pytest.mark.parametrize(
    ("refused", "source"),
    [
        pytest.param(record(json.dumps(EVENT).encode()), "urn:a", id="structured"),
        pytest.param(record(json.dumps(DATA).encode(), ("CE_Source", b"urn:b")), "urn:b", id="binary"),
        pytest.param(record(json.dumps(DATA).encode()), "urn:kafka:t", id="bare"),
        pytest.param(record(json.dumps(EVENT).encode()[:-2]), "urn:a", id="cut"),
        pytest.param(record(json.dumps(EVENT | {"more": "x" * 2_000_000}).encode()), "urn:a", id="too large"),
        pytest.param(record(json.dumps(EVENT).encode() + b"\xff"), "urn:a", id="not UTF-8"),
        pytest.param(
            record(json.dumps(EVENT).upper().replace("SOURCE", "source").replace("ORG_ID", "org_id").encode()),
            "URN:A",
            id="an organisation in capitals",
        ),
    ],
)
def test_who_a_refused_record_is_from_is_read_as_far_as_it_can_be(refused: Record, source: str) -> None:
    assert claim_of(refused) == ReportingSource(source, ORG)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff\xfe", b"[]", b"7", b'{"org_id": 7}', b'{"org_id": "------------------------------------"}',
     b'{"data": {"org_id": null}}', b"[" * 100_000],
)  # fmt: skip
def test_what_says_nothing_readable_is_nobodys(value: bytes | None) -> None:
    assert claim_of(record(value)) is None
    assert not claims_of([record(value)])


def test_the_limit_can_be_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from consumer.settings import read_settings  # noqa: PLC0415 - reads the environment

    monkeypatch.setenv("SHW_DEAD_LETTER_LIMIT__BEAT", "5")
    assert read_settings().dead_letter_limit.beat == timedelta(seconds=5)

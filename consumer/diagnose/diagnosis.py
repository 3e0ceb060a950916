"""Classifies a failure by its reason and context: type, disposition (whether a retry can help) and evidence."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from math import log1p
from types import MappingProxyType
from typing import Final

from consumer.diagnose.confidence import FEATURES, confidence, features
from consumer.diagnose.facts import ERROR_KEYS, Fact, Tier, context_facts, text_facts
from consumer.diagnose.index import Index, Met
from consumer.diagnose.lexer import EXCERPT, Text, quoted, read
from consumer.diagnose.packs import PACKS
from consumer.diagnose.retry_hint import told_to_wait
from consumer.diagnose.rule import CAUTION, NONE, PRECEDENCE, rank_of
from consumer.diagnose.rules import RULES
from consumer.diagnose.word_model import Coefficients, speaks_for
from consumer.model import Diagnosis, Evidence, JsonObject
from schemas.json_text import load_json, to_json
from schemas.names import Disposition, FailureType

DISPOSITIONS: Final[Mapping[FailureType, Disposition]] = MappingProxyType(
    {
        FailureType.API_TIMEOUT: Disposition.RETRY_IF_IDEMPOTENT,  # the call may have arrived
        FailureType.INVALID_SCHEMA: Disposition.NEEDS_REPAIR,  # the same payload fails the same way
        FailureType.WORKFLOW_STALL: Disposition.NEEDS_REPAIR,  # waiting longer is what it did already
        FailureType.MISSING_IMAGE: Disposition.NEEDS_PERSON,  # another image is paid for, and may fail the same way
        FailureType.VOICE_GENERATION_ERROR: Disposition.NEEDS_PERSON,
        FailureType.BILLING_SYNC_ISSUE: Disposition.NEEDS_PERSON,  # only a difference of two sides can be repaired
        FailureType.CONCIERGE_ACTION_FAILURE: Disposition.NEEDS_PERSON,  # a guest may have received it already
        FailureType.UNKNOWN: Disposition.NEEDS_PERSON,  # no evidence that another try is safe
    }
)
"""Default disposition of a type, where no matching rule speaks for another."""

OF_ANOTHER_TYPE: Final = 0.5
"""Factor on the disposition of a rule that matched for another type than the winning one."""
UNKNOWN: Final = PRECEDENCE.index(FailureType.UNKNOWN)
LEAST: Final = 2.0
"""Minimum weight of a type; below it, it is a guess, and the failure is unknown."""
_TYPE_WEIGHT: Final = FEATURES.index("type_weight")
_DISPOSITION_WEIGHT: Final = FEATURES.index("disposition_weight")
_LEAST_SAID: Final = log1p(LEAST)
_DEFAULT: Final = tuple(rank_of(DISPOSITIONS[kind]) for kind in PRECEDENCE)
SHOWN: Final = 12
"""Maximum number of pieces of evidence in a diagnosis."""
REMEMBERED_LENGTH: Final = 1000
"""Maximum length of a reason, and of an error's JSON, for which the diagnosis is cached."""


def diagnose(failure_reason: str, context: JsonObject) -> Diagnosis:
    """Diagnose a failure. Pure, and total: every text and every context has a diagnosis.

    An outage produces the same text for a thousand runs, word for word: recent diagnoses are cached.
    """
    error: JsonObject = {key: context[key] for key in ERROR_KEYS if key in context}
    said = _serialize_error(error) if len(failure_reason) <= REMEMBERED_LENGTH else None
    return diagnose_by(INDEX, failure_reason, error) if said is None else _diagnose_cached(failure_reason, said)


def _serialize_error(error: JsonObject) -> bytes | None:
    """Serialise an error as a cache key; None where it is too long to cache, or cannot be serialised."""
    try:
        said = to_json(error) if error else b"{}"
    except ValueError:
        return None
    return said if len(said) <= REMEMBERED_LENGTH else None


@lru_cache(maxsize=4096)
def _diagnose_cached(failure_reason: str, error: bytes) -> Diagnosis:
    return diagnose_by(INDEX, failure_reason, load_json(error))


def diagnose_by(index: Index, failure_reason: str, context: JsonObject) -> Diagnosis:
    """Diagnose by the given rules, without the cache; of the context only the keys in `ERROR_KEYS` count.

    Every matching rule adds its weight to a type, a disposition, or both. The type with the greatest total wins, and
    the disposition whose strongest single rule is the strongest.
    """
    facts: Iterable[Fact] = context_facts(context) if context else ()
    if "{" in failure_reason:
        facts = chain(facts, text_facts(failure_reason))
    met = index.met(failure_reason, facts)
    if len(met) > 1:
        met.sort(key=lambda one: (one.tier, -one.weight))
    place, care, its_features = judge(met)
    if _nothing_speaks(its_features):
        met = with_words(met, read(failure_reason), failure_reason)
        if not met:
            return UNRECOGNISED
        place, care, _ = judge(met)  # how sure it is follows from the rules alone
    kind, disposition = PRECEDENCE[place], CAUTION[care]
    told = told_to_wait(failure_reason, context) if disposition is Disposition.RETRY_AFTER else None
    return Diagnosis(
        failure_type=kind,
        disposition=disposition,
        evidence=_evidence(met, kind, disposition),
        confidence=confidence(its_features),
        wait=told if isinstance(told, timedelta) else None,
        until=told if isinstance(told, datetime) else None,
    )


def with_words(met: list[Met], text: Text, failure_reason: str, *, by: Coefficients | None = None) -> list[Met]:
    """Return what matched, and what the word model says where no rule speaks for a type nor for a disposition.

    Where a rule knows the type its careful default holds, whatever words say; and words that a rule took are not read.
    """
    if not _nothing_speaks(judge(met)[2]) or any(one.rule.silent for one in met):
        return met
    begins = quoted(failure_reason, 0, EXCERPT)
    said = speaks_for(text, by=by)
    return [*met, *(Met(one, Tier.WORDS, "failure_reason", one.weight, one.firmly, begins) for one in said)]


def _nothing_speaks(its_features: Sequence[float]) -> bool:
    return its_features[_TYPE_WEIGHT] < _LEAST_SAID and its_features[_DISPOSITION_WEIGHT] <= 0


def judge(met: Sequence[Met]) -> tuple[int, int, list[float]]:
    """Return the place of the type in `PRECEDENCE`, that of the disposition in `CAUTION`, and the features."""
    by_type = _weigh_types(met)
    best = max(by_type)
    kind = by_type.index(best) if best >= LEAST else UNKNOWN
    by_disposition = _weigh_dispositions(met, kind)
    best = max(by_disposition)
    care = by_disposition.index(best) if best > 0 else _DEFAULT[kind]
    return kind, care, features(met, by_type, by_disposition, kind, care)


def _weigh_types(met: Sequence[Met]) -> list[float]:
    total = [0.0] * len(PRECEDENCE)
    ruled_out: tuple[int, ...] = ()
    for one in met:
        rule = one.rule
        if rule.kind != NONE:
            total[rule.kind] += one.weight
        if rule.against:
            ruled_out += rule.against
    for place in ruled_out:
        total[place] = 0.0
    return total


def _weigh_dispositions(met: Sequence[Met], kind: int) -> list[float]:
    strongest = [0.0] * len(CAUTION)
    for one in met:
        rule = one.rule
        care = rule.care
        if care == NONE:
            continue
        firmly = one.firmly
        if rule.kind not in {NONE, kind}:
            if rule.bound:
                continue
            firmly *= OF_ANOTHER_TYPE
        strongest[care] = max(strongest[care], firmly)
    return strongest


def _evidence(met: Sequence[Met], kind: FailureType, disposition: Disposition) -> tuple[Evidence, ...]:
    spoke_for: list[Evidence] = []
    against: list[Evidence] = []
    for one in met:
        rule = one.rule
        if (rule.kind == NONE and rule.care == NONE) or (rule.bound and rule.failure_type is not kind):
            continue  # it took words that others would have misread, or would count for another type only
        decided = rule.failure_type is kind or rule.disposition is disposition
        some = spoke_for if decided else against
        if len(some) < SHOWN:
            some.append(
                Evidence(
                    source=one.source,
                    text=one.text,
                    rule=rule.id,
                    weight=_rounded(one.weight or one.firmly),
                    failure_type=rule.failure_type,
                    disposition=rule.disposition,
                    decided=decided,
                )
            )
    return (*spoke_for, *against)[:SHOWN]


@lru_cache(maxsize=4096)
def _rounded(weight: float) -> float:
    """Round a weight as it is shown; the same few recur."""
    return round(weight, 2)


INDEX: Final = Index((*RULES, *PACKS))

UNRECOGNISED: Final = Diagnosis(
    failure_type=FailureType.UNKNOWN,
    disposition=DISPOSITIONS[FailureType.UNKNOWN],
    evidence=(),
    confidence=confidence(judge(())[2]),
)

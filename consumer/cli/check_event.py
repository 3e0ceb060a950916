"""`shw check-event`: dry run of one event through the service's own decoder, rules and planner, without effects."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from consumer.analysis.explained_plan import plan_as_json, rung_as_json
from consumer.catalog import Catalog, Catalogs
from consumer.cli.diagnose import diagnosed
from consumer.cli.event_obstacles import local_obstacles, stored_obstacles
from consumer.cli.foreign_events import as_posted, as_read, check_declared
from consumer.cli.near_names import meant_pattern
from consumer.diagnose import diagnose
from consumer.errors import ConfigError
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.event_batches import split_batch
from consumer.ingest.foreign.webhooks import WebhookFormat
from consumer.model import (
    DeadLetter,
    Diagnosed,
    Failure,
    Heal,
    Json,
    JsonObject,
    OrgId,
    Record,
    Refuse,
    original_position,
)
from consumer.plan.planner import Planner
from consumer.service.catalog_file import read_catalog
from consumer.service.strategies import installed_strategies
from consumer.settings import Settings, read_settings
from consumer.store.intake import known_organisations
from consumer.store.migrate import check_schema
from consumer.store.pool import Pool, open_pool, transaction, translated
from schemas.context import Context, RequestContext, unusable_parts
from schemas.envelope import Form, parse
from schemas.fault_words import did_you_mean
from schemas.names import PoisonReason

_NONE: Final[JsonObject] = {
    "accepted": False,
    "healable": False,
    "no_failure": "it tells of no failure: it is read, counted and passed over",
}


@dataclass(frozen=True, slots=True)
class Posted:
    """That the event is the body of a `POST /api/healing/failures`."""

    form: WebhookFormat
    org_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What an event is held against."""

    settings: Settings
    catalog: Catalog
    now: datetime
    told_on: str | Posted | None
    with_database: bool

    @property
    def max_bytes(self) -> int:
        """The largest event that is taken."""
        return self.settings.intake.max_event_bytes


def posted_as(form: str, org_id: UUID) -> Posted:
    """Return what `--posted` says; ConfigError where there is no such format."""
    if form not in set(WebhookFormat):
        raise ConfigError(f"there is no format {form}: give one of {', '.join(WebhookFormat)}")
    return Posted(WebhookFormat(form), org_id)


def check_event(
    value: bytes,
    headers: Sequence[tuple[str, bytes]],
    *,
    catalog: Path | None,
    with_database: bool,
    told_on: str | Posted | None = None,
) -> JsonObject:
    """Return every decision of the service on an event: `accepted` and `healable` sum it up, `ladder` has each rung.

    Offline: it reads the catalog and the settings, and with `with_database` the organisation, its wallet, the pauses
    and the breakers. `obstacles` has what is in the way and in no plan; a host's name is resolved when it is called.
    `told_on` is the topic of the catalog on which others tell of it in words of their own, or that it is posted: then
    `became` has the event that is made of it, and `no_failure` says so where none is.
    """
    settings = read_settings()
    now = datetime.now(UTC)
    record = Record(
        topic=told_on if isinstance(told_on, str) else settings.kafka.failures_topic,
        partition=0,
        offset=0,
        timestamp_ms=int(now.timestamp() * 1000),
        key=None,
        value=value,
        headers=tuple(headers),
    )
    read = read_catalog(catalog or settings.catalog)
    rules = _Rules(settings=settings, catalog=read, now=now, told_on=told_on, with_database=with_database)
    return asyncio.run(_check(record, rules))


def _events(record: Record, rules: _Rules) -> Sequence[Record]:
    limit, topics = rules.max_bytes, rules.catalog.topics
    match rules.told_on:
        case Posted(form, org_id):
            return as_posted(record, form, org_id)
        case str(topic):
            check_declared(topic, topics)
            return [event for part in split_batch(record, max_bytes=limit) for event in as_read(part, topics, limit)]
        case None:
            return list(split_batch(record, max_bytes=limit))


async def _check(record: Record, rules: _Rules) -> JsonObject:
    parts = _events(record, rules)
    if rules.told_on is not None and not parts:
        return _NONE
    if [part.part for part in parts] == [0]:
        return await _check_one(record if rules.told_on is None else parts[0], rules)
    events: list[Json] = [await _check_one(part, rules) for part in parts]
    sums = {
        name: all(isinstance(one, dict) and one[name] is True for one in events) for name in ("accepted", "healable")
    }
    sums["healable"] = sums["healable"] and bool(events)  # of a batch of none, nothing is lost, and nothing is healed
    return {**sums, "events": events}


async def _check_one(record: Record, rules: _Rules) -> JsonObject:
    catalog, now = rules.catalog, rules.now
    decoded = decode(record, AdmissionRules(catalog=catalog, max_event_bytes=rules.max_bytes), now)
    if isinstance(decoded, DeadLetter):
        return _poison_answer(decoded.reason, f"{decoded.message}{_meant_source(decoded, catalog)}")
    diagnosis = diagnose(decoded.failure_reason, decoded.context)
    async with installed_strategies(Catalogs(catalog), connections=1) as strategies:
        planner = Planner(rungs=strategies, catalog=catalog)
        plan, ladder = planner.plan(decoded, diagnosis, now), planner.rungs_for(decoded, diagnosis, now)
    obstacles = list(local_obstacles(decoded, catalog)) if isinstance(plan, Heal) else []
    if rules.with_database:
        async with open_pool(rules.settings.postgres, application="shw check-event") as pool:
            if not await _is_known(pool, decoded.org_id):
                message = f"organisation {decoded.org_id} does not exist"
                return _poison_answer(PoisonReason.UNKNOWN_ORGANISATION, message)
            if isinstance(plan, Heal):
                obstacles += await stored_obstacles(pool, Diagnosed(failure=decoded, diagnosis=diagnosis, plan=plan))
    # Without an event id the failure's id derives from the record's first position in Kafka, which it does not have
    # yet.
    is_bare = parse(record.value, record.headers).form is Form.BARE and not original_position(record)[1]
    return {
        "accepted": True,
        "healable": isinstance(plan, Heal) and not any(one.is_final for one in obstacles),
        "failure_id": None if is_bare else str(decoded.id),
        **_failure_fields(decoded),
        **({} if rules.told_on is None else {"became": _became(decoded)}),
        "organisation": "exists" if rules.with_database else "not checked",
        "diagnosis": {k: v for k, v in diagnosed(decoded.failure_reason, decoded.context).items() if k != "strategy"},
        "strategy": plan.strategy.value,
        "plan": plan_as_json(plan),
        "ladder": [rung_as_json(rung, passed_over) for rung, passed_over in ladder],
        "obstacles": [one.as_json() for one in obstacles],
        "missing_fields": list(plan.missing) if isinstance(plan, Refuse) else [],
        "unusable_fields": dict(unusable_parts(decoded.context)),
        "misspelt": [*_misspelt(decoded.context), *_unknown_workflow(decoded, catalog)],
        "redactions": list(decoded.redactions),
        "mended_characters": decoded.mended,
    }


def _misspelt(context: JsonObject) -> Iterator[Json]:
    """Yield what the context has under a name that is not read, and that is near to one that is."""
    request = context.get("request")
    for at, names, known in (
        ("context", context, Context.model_fields),
        ("context.request", request if isinstance(request, dict) else {}, RequestContext.model_fields),
    ):
        for name in names:
            if name not in known and (meant := did_you_mean(name, known)):
                yield f"{at}.{name} is not read{meant}"


def _unknown_workflow(failure: Failure, catalog: Catalog) -> Iterator[Json]:
    meant = meant_pattern(failure.workflow_name, (entry.name for entry in catalog.workflows))
    if meant and catalog.policy(failure.workflow_name) is None:
        yield f"workflow_name {failure.workflow_name!r} is in no entry of the catalog{meant}"


def _meant_source(letter: DeadLetter, catalog: Catalog) -> str:
    """Return which source was meant: told to who has the catalog at hand, and not to publishers."""
    if letter.reason is not PoisonReason.SOURCE_NOT_ALLOWED:
        return ""
    try:
        given = parse(letter.record.value, letter.record.headers).source
    except ValueError:
        return ""
    return "" if given is None else meant_pattern(given, (rule.source for rule in catalog.sources))


async def _is_known(pool: Pool, org_id: OrgId) -> bool:
    with translated():
        await check_schema(pool)
    async with transaction(pool) as connection:
        return org_id in await known_organisations(connection, [org_id])


def _poison_answer(reason: PoisonReason, message: str) -> JsonObject:
    return {"accepted": False, "healable": False, "poison": {"reason": reason.value, "message": message}}


def _failure_fields(failure: Failure) -> JsonObject:
    return {
        "org_id": str(failure.org_id),
        "source": failure.source,
        "workflow_name": failure.workflow_name,
        "detected_at": failure.detected_at.isoformat(),
    }


def _became(failure: Failure) -> JsonObject:
    return {"failure_reason": failure.failure_reason, "context": dict(failure.context)}

"""`shw check-event`: dry run of one event through the service's own decoder, rules and planner, without effects."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from consumer.analysis.explained_plan import plan_as_json, rung_as_json
from consumer.catalog import Catalog, Catalogs
from consumer.cli.diagnose import diagnosed
from consumer.cli.event_obstacles import local_obstacles, stored_obstacles
from consumer.diagnose import diagnose
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.event_batches import split_batch
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
from schemas.envelope import Form, parse
from schemas.names import PoisonReason


def check_event(
    value: bytes, headers: Sequence[tuple[str, bytes]], *, catalog: Path | None, with_database: bool
) -> JsonObject:
    """Return every decision of the service on an event: `accepted` and `healable` sum it up, `ladder` has each rung.

    Offline: it reads the catalog and the settings, and with `with_database` the organisation, its wallet, the pauses
    and the breakers. `obstacles` has what is in the way and in no plan; a host's name is resolved when it is called.
    """
    settings = read_settings()
    now = datetime.now(UTC)
    record = Record(
        topic=settings.kafka.failures_topic,
        partition=0,
        offset=0,
        timestamp_ms=int(now.timestamp() * 1000),
        key=None,
        value=value,
        headers=tuple(headers),
    )
    return asyncio.run(_check(record, settings, catalog or settings.catalog, now, with_database=with_database))


async def _check(
    record: Record, settings: Settings, catalog_path: Path | None, now: datetime, *, with_database: bool
) -> JsonObject:
    catalog, limit = read_catalog(catalog_path), settings.intake.max_event_bytes
    parts = list(split_batch(record, max_bytes=limit))
    if [part.part for part in parts] == [0]:
        return await _check_one(record, settings, catalog, now, with_database=with_database)
    events: list[Json] = [await _check_one(part, settings, catalog, now, with_database=with_database) for part in parts]
    sums = {
        name: all(isinstance(one, dict) and one[name] is True for one in events) for name in ("accepted", "healable")
    }
    sums["healable"] = sums["healable"] and bool(events)  # of a batch of none, nothing is lost, and nothing is healed
    return {**sums, "events": events}


async def _check_one(
    record: Record, settings: Settings, catalog: Catalog, now: datetime, *, with_database: bool
) -> JsonObject:
    decoded = decode(record, AdmissionRules(catalog=catalog, max_event_bytes=settings.intake.max_event_bytes), now)
    if isinstance(decoded, DeadLetter):
        return _poison_answer(decoded.reason, decoded.message)
    diagnosis = diagnose(decoded.failure_reason, decoded.context)
    async with installed_strategies(Catalogs(catalog), connections=1) as strategies:
        planner = Planner(rungs=strategies, catalog=catalog)
        plan, ladder = planner.plan(decoded, diagnosis, now), planner.rungs_for(decoded, diagnosis, now)
    obstacles = list(local_obstacles(decoded, catalog)) if isinstance(plan, Heal) else []
    if with_database:
        async with open_pool(settings.postgres, application="shw check-event") as pool:
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
        "organisation": "exists" if with_database else "not checked",
        "diagnosis": {k: v for k, v in diagnosed(decoded.failure_reason, decoded.context).items() if k != "strategy"},
        "strategy": plan.strategy.value,
        "plan": plan_as_json(plan),
        "ladder": [rung_as_json(rung, passed_over) for rung, passed_over in ladder],
        "obstacles": [one.as_json() for one in obstacles],
        "missing_fields": list(plan.missing) if isinstance(plan, Refuse) else [],
        "redactions": list(decoded.redactions),
        "mended_characters": decoded.mended,
    }


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

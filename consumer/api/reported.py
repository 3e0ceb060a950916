"""Failures that are posted: they are published to the failures topic, and come in from there like all others."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID, uuid4

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request

from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints, signed_in
from consumer.api.idempotency import HEADER
from consumer.api.shown import ApiReply
from consumer.api.tokens import User
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.foreign.told import ToldFailure
from consumer.ingest.foreign.translate import envelope_of
from consumer.ingest.foreign.webhooks import WebhookFormat, told_by_webhook
from consumer.kafka.writer import Sent
from consumer.model import DeadLetter, Failure, Message, OrgId, Record
from consumer.store import reports
from schemas.envelope import encode
from schemas.errors import EnvelopeError
from schemas.idempotency import KEY_CHARACTERS, KEY_PATTERN
from schemas.json_text import parse_json, refuse_unstorable
from schemas.names import PoisonReason

log = structlog.get_logger(__name__)

_AGAIN: Final = {"Retry-After": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEndpoints:
    """What the endpoint needs of other rooms."""

    topic: str
    """The failures topic."""
    rules: Callable[[], AdmissionRules]
    """Those of the catalog in force: what would become a dead letter is refused, and not published."""
    send: Callable[[Sequence[Message]], Awaitable[Sequence[Sent]]]
    """Publishes, and returns the broker's answer to each."""


def add_reports(router: APIRouter, healing: HealingEndpoints, parts: ReportEndpoints) -> None:
    """Add the endpoint by which failures are reported."""

    @router.post("/failures")
    async def report(
        request: Request,
        user: Annotated[User, Depends(signed_in)],
        org_id: Annotated[UUID, Query(alias="orgId")],
        form: Annotated[WebhookFormat, Query(alias="format")] = WebhookFormat.PLAIN,
        key: Annotated[str, Header(alias=HEADER, max_length=KEY_CHARACTERS, pattern=KEY_PATTERN)] = "",
    ) -> ApiReply:
        """Publish the failures that a body tells of; answers once the broker has them, with the ids they will have."""
        async with healing.as_user(user) as connection:
            if not await reports.own_organisations(connection, OrgId(org_id)):
                message = "No such organisation among those that you administer."
                raise ApiError(HTTPStatus.NOT_FOUND, "not_found", message)
        told = _told(await request.body(), form, org_id, key)
        made = []
        for one in told:
            made.append(_made(one, parts))
            await asyncio.sleep(0)
        await _publish([message for message, _ in made], parts)
        log.info("failures_reported", org_id=str(org_id), user=str(user.id), format=form, failures=len(made))
        shown = [{"id": str(failure.id), "workflowName": failure.workflow_name} for _, failure in made]
        return ApiReply({"failures": shown}, status_code=HTTPStatus.ACCEPTED)


def _told(body: bytes, form: WebhookFormat, org_id: UUID, key: str) -> tuple[ToldFailure, ...]:
    try:
        document = parse_json(body)
        refuse_unstorable(document)
        told = told_by_webhook(document, form, org_id, key)
    except EnvelopeError as error:
        raise _invalid(str(error)) from None
    # Without a key and an identity of its own, each request is another failure.
    return tuple(one if one.event_id else replace(one, event_id=str(uuid4())) for one in told)


def _made(told: ToldFailure, parts: ReportEndpoints) -> tuple[Message, Failure]:
    """Return the record of a failure, and the failure that will be made of it; ApiError where it would be refused."""
    value, headers = encode(envelope_of(told))
    record = Record(
        topic=parts.topic, partition=0, offset=0, timestamp_ms=0, key=None, value=value, headers=tuple(headers)
    )
    decoded = decode(record, parts.rules(), datetime.now(UTC))
    if isinstance(decoded, DeadLetter):
        if decoded.reason is PoisonReason.SOURCE_NOT_ALLOWED:
            raise ApiError(HTTPStatus.CONFLICT, "refused", f"{decoded.message[:1].upper()}{decoded.message[1:]}.")
        raise _invalid(decoded.message)
    run = told.context.get("run")
    key = str(run.get("id") if isinstance(run, dict) and run.get("id") else decoded.id)
    message = Message(
        id=decoded.id,
        failure_id=None,
        step=0,
        rank=0,
        topic=parts.topic,
        key=key.encode("utf-8", "replace"),
        headers=tuple(headers),
        body=value,
    )
    return message, decoded


async def _publish(messages: Sequence[Message], parts: ReportEndpoints) -> None:
    answers = await parts.send(messages) if messages else ()
    if any(said is Sent.TOO_LARGE for said in answers):
        raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "A failure is larger than the topic takes.")
    if any(said is not Sent.ACKED for said in answers):
        # Some of them may be there: the same request again makes no second failure where its ids are its own.
        message = "The broker did not take it; send it again, with the same Idempotency-Key."
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", message, _AGAIN)


def _invalid(why: str) -> ApiError:
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", f"body: {why}")

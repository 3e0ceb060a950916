"""Client of a described generator: calls by the catalog's templates, for what answers at once and for jobs."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, assert_never

from consumer.catalog import WorkflowPolicy
from consumer.catalog.generators.http import AssetCall, HeldBackSign, HttpGenerator, JobLook
from consumer.generators.answers import is_success, json_of, said_in
from consumer.generators.client import Client, empty, may_come, media_of, no_asset, unseen
from consumer.generators.content import decoded, text_at
from consumer.generators.contract import (
    AssetOrder,
    Declined,
    DeclineKind,
    JobLost,
    JobPhase,
    JobRuns,
    JobSeen,
    JobUnseen,
    Made,
    MakeResult,
    NothingFound,
    Submitted,
)
from consumer.generators.fitness import unfit
from consumer.model import Json, MicroAud
from consumer.model.call import Answer, OutboundRequest, requested_wait
from consumer.outbound.calls import OutboundCalls
from consumer.runners.places import dependency_of
from consumer.runners.templates import ABSENT, Found, UnfitValue, Values, header_value, render_call
from schemas.json_text import load_json
from schemas.json_value import value_at
from schemas.names import Effect

_DUMMY: Final = "00000000-0000-0000-0000-000000000000"
_SHOWN: Final = 200
_LONGEST_ID: Final = 200


class DescribedClient(Client):
    """Makes an asset as the catalog describes it."""

    def __init__(self, name: str, described: HttpGenerator, calls: OutboundCalls) -> None:
        super().__init__(name, described, calls)
        self._described = described

    @property
    def is_keyed(self) -> bool:
        """Whether its catalog entry declares that it makes what comes twice under one key once."""
        return self._described.generate.effect is Effect.KEYED

    @property
    def _is_plain(self) -> bool:
        """Whether the answer's body is the asset itself."""
        return not (self._described.content.base64 or self._described.content.url)

    def dependency(self) -> str:
        """Return the one origin that its calls go to."""
        return dependency_of(self._described.generate.url)

    def refusal(self, order: AssetOrder, policy: WorkflowPolicy) -> str | None:
        """Return why it cannot make this, or why one of its calls cannot be sent, or None."""
        if why := unfit(order, self._described, self._described.passed_on):
            return why
        try:
            calls = [self._order(order, _DUMMY)]
            calls += [
                _rendered(call, order, job_id=_DUMMY, key=_DUMMY)
                for name, call in self._described.calls.items()
                if name != "generate"
            ]
        except UnfitValue as unfit_value:
            return f"context.asset: {unfit_value}"
        refusals = (self.egress_refusal(call, policy) for call in calls)
        return next((reason for reason in refusals if reason is not None), None)

    def _order(self, order: AssetOrder, key: str) -> OutboundRequest:
        call = self._described.generate
        request = _rendered(call, order, key=key)
        if call.form:
            request = _as_form(request)
        if call.key_header is None:
            return request
        return replace(request, headers=(*request.headers, (call.key_header, header_value(call.key_header, key))))

    async def make(self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, within: timedelta) -> MakeResult:
        """Make the asset, or order its job, by one call."""
        call = self._described.generate
        request = self._order(order, key)
        is_asset = self._described.job_id is None and self._is_plain
        result = await self.send(request, policy, within=within, effect=True, opaque=is_asset)
        if not isinstance(result, Answer) or not is_success(result, call.accepted):
            return no_asset(result, self.name)
        if held := self._held_back(result):
            return held
        if self._described.job_id is None:
            made = await self._content(result, order, policy, within=within)
            cost = self._cost_of(json_of(result), result, order)
            return empty(result, cost, f"with {made.reason}") if isinstance(made, JobUnseen) else made
        return _job_of(result, self._described.job_id, self.cost(order))

    async def look(self, job_id: str, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta) -> JobSeen:
        """Look at a job; one that is done, and has no error, is fetched."""
        look = self._described.look
        if look is None:
            return JobUnseen(reason=f"{self.name} makes no jobs")
        result = await self.send(_rendered(look, order, job_id=job_id), policy, within=within)
        if isinstance(result, Answer) and result.status in look.gone:
            return JobLost(said=f"answered {result.status}")
        if not isinstance(result, Answer) or not is_success(result):
            return unseen(result, "the look at the job")
        return await self._state(look, job_id, result, order, policy, within=within)

    async def _state(  # noqa: PLR0911 - one for each state
        self,
        look: JobLook,
        job_id: str,
        result: Answer,
        order: AssetOrder,
        policy: WorkflowPolicy,
        *,
        within: timedelta,
    ) -> JobSeen:
        document = json_of(result)
        if (other := self._other_job(document, look, job_id)) is not None:
            return JobUnseen(reason=f"the look at the job: answered with another job, {other[:60]!r}")
        word = text_at(document, (look.status,))
        phase = None if word is None else look.phases.get(word)
        if word is None or phase is None:
            return JobUnseen(reason=f"the look at the job: the state {str(word)[:60]!r} is not listed under `phases`")
        cost = self._cost_of(document, result, order)
        match JobPhase(phase):
            case JobPhase.RUNNING:
                return JobRuns(said=word[:_SHOWN], after=requested_wait(result))
            case JobPhase.GONE:
                return JobLost(said=word[:_SHOWN])
            case JobPhase.FAILED:
                return _failed(document, look.errors, f"the job is {word[:60]}", cost)
            case JobPhase.DONE:
                if _error_in(document, look.errors) is not None:
                    return _failed(document, look.errors, f"the job is {word[:60]}, with an error", cost)
                return await self._result(job_id, result, order, policy, within=within)
            case _ as never:
                assert_never(never)

    def _other_job(self, document: Json, look: JobLook, job_id: str) -> str | None:
        """Return the id of the job that an answer is about, where it names one and not this one's."""
        place = self._described.job_id if look.job_id is None else look.job_id
        named = None if place is None else _id_at(document, place)
        return named if named != job_id else None

    async def _result(
        self, job_id: str, looked: Answer, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta
    ) -> JobSeen:
        call, result = self._described.result, looked
        if call is not None:
            fetched = await self.send(
                _rendered(call, order, job_id=job_id), policy, within=within, opaque=self._is_plain
            )
            if not isinstance(fetched, Answer):
                return unseen(fetched, "the job's result")
            if not is_success(fetched):
                refused = no_asset(fetched, self.name)
                cost = self.cost(order)
                return replace(refused, cost=cost) if isinstance(refused, Declined) else unseen(fetched, "its result")
            result = fetched
        if held := self._held_back(result):
            return held
        return await self._content(result, order, policy, within=within)

    async def _content(  # noqa: PLR0911 - one for each place and fault
        self, answer: Answer, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta
    ) -> Made | Declined | JobUnseen:
        place = self._described.content
        if not place.base64 and not place.url:
            cost = self._cost_of(None, answer, order)
            if answer.truncated or not answer.body:
                return empty(answer, cost, "with nothing in it" if not answer.body else "with too much to be read")
            return Made(content=answer.body, media_type=media_of(answer), cost=cost, said=f"answered {answer.status}")
        document = json_of(answer)
        cost = self._cost_of(document, answer, order)
        text = text_at(document, place.base64 or place.url)
        if text is None:
            return empty(answer, cost, "without an asset")
        if place.base64 or text.startswith("data:"):
            content = await decoded(text)
            if content is None:
                return empty(answer, cost, "with base64 that does not decode")
            return Made(content=content[0], media_type=content[1], cost=cost, said=f"answered {answer.status}")
        # A job is looked at again, which costs nothing.
        fetched = await self.fetch(text, order, policy, within=within, again=self._described.job_id is None)
        if not isinstance(fetched, Answer) or not is_success(fetched) or fetched.truncated:
            why = fetched.status if isinstance(fetched, Answer) else getattr(fetched, "reason", "")
            reason = f"an address at which the asset is not to be had ({str(why)[:_SHOWN]})"
            return JobUnseen(reason=reason) if may_come(fetched) else empty(answer, cost, f"with {reason}")
        return Made(content=fetched.body, media_type=media_of(fetched), cost=cost, said="by an address")

    def _held_back(self, answer: Answer) -> Declined | None:
        for sign in self._described.held_back:
            if (said := _said_by(sign, answer)) is not None:
                reason = f"its moderation holds the asset back: {said[:60]}"
                return Declined(kind=DeclineKind.MODERATION, reason=reason, parameter="prompt")
        return None

    def _cost_of(self, document: Json, answer: Answer, order: AssetOrder) -> MicroAud:
        place = self._described.content
        said: Any = None if place.units is None else value_at(document, place.units, None)
        if place.units_header is not None:
            said = answer.header(place.units_header)
        return self.cost(order, units=_number(said))

    async def find(
        self, order: AssetOrder, policy: WorkflowPolicy, *, key: str, since: datetime, within: timedelta
    ) -> Made | Submitted | NothingFound | JobUnseen:
        """Look for the job that was ordered under a key."""
        del since
        call = self._described.find
        if call is None:
            return NothingFound(certain=False)
        result = await self.send(_rendered(call, order, key=key), policy, within=within)
        if not isinstance(result, Answer) or not (is_success(result) or result.status == 404):  # noqa: PLR2004 - HTTP's
            return unseen(result, "the look for the job")
        found = _id_at(json_of(result), call.job_id)
        return NothingFound(certain=True) if found is None else Submitted(job_id=found, said="found by its key")

    async def cancel(self, job_id: str, order: AssetOrder, policy: WorkflowPolicy, *, within: timedelta) -> str:
        """Take a job back, by one call."""
        call = self._described.cancel
        if call is None:
            return "the catalog describes no way to take it back"
        result = await self.send(_rendered(call, order, job_id=job_id), policy, within=within, effect=True)
        return f"answered {result.status}" if isinstance(result, Answer) else "no answer"


def _rendered(
    call: AssetCall, order: AssetOrder, *, job_id: str | None = None, key: str | None = None
) -> OutboundRequest:
    return render_call(call, getattr(call, "method", "GET"), _values(order, job_id, key), org_id=order.org_id)


def _values(order: AssetOrder, job_id: str | None, key: str | None) -> Values:
    given: dict[str, Any] = {
        "prompt": order.prompt,
        "voice": order.voice,
        "format": order.format,
        "width": order.width,
        "height": order.height,
        "size": order.size,
        "seconds": order.seconds,
        "transparent": order.transparent,
        "job.id": job_id,
        "key": key,
        "org_id": str(order.org_id),
        "workflow_name": order.workflow_name,
    }
    values: dict[str, Found] = {name: ABSENT if value is None else value for name, value in given.items()}
    return values | {f"parameters.{name}": value for name, value in order.parameters.items()}


def _as_form(request: OutboundRequest) -> OutboundRequest:
    """Write a flat JSON body as `multipart/form-data`; its boundary follows from the content, and is not in it."""
    fields: dict[str, Any] = load_json(request.body or b"{}")
    boundary = f"shw-{sha256(request.body or b'').hexdigest()}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    headers = tuple(pair for pair in request.headers if pair[0].lower() != "content-type")
    media = ("content-type", f"multipart/form-data; boundary={boundary}")
    return replace(request, headers=(media, *headers), body=b"".join([*parts, f"--{boundary}--\r\n".encode()]))


def _job_of(answer: Answer, place: str, cost: MicroAud) -> Submitted | Declined:
    found = _id_at(json_of(answer), place)
    if found is None:
        return empty(answer, cost, "without the id of a job")
    return Submitted(job_id=found, said=f"answered {answer.status}")


def _id_at(document: Json, place: str) -> str | None:
    found: Any = value_at(document, place, None)
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    text = str(found)
    return text if 0 < len(text) <= _LONGEST_ID and text.isprintable() else None


def _failed(document: Json, places: tuple[str, ...], said: str, cost: MicroAud) -> Declined:
    why = _error_in(document, places)
    return Declined(kind=DeclineKind.FAILED, reason=f"{said}: {why}" if why else said, cost=cost)


def _error_in(document: Json, places: tuple[str, ...]) -> str | None:
    for place in places:
        found: Any = value_at(document, place, None)
        if found:
            return (found if isinstance(found, str) else said_in(found) or "an error")[:_SHOWN]
    return None


def _said_by(sign: HeldBackSign, answer: Answer) -> str | None:
    said = answer.header(sign.header) if sign.header is not None else None
    if sign.pointer is not None:
        found: Any = value_at(json_of(answer), sign.pointer, None)
        said = found if isinstance(found, str) else str(found).lower() if isinstance(found, bool) else said
    return said if said in sign.values else None


def _number(said: Any) -> Decimal | None:  # noqa: ANN401 - JSON is anything
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        return None
    try:
        number = Decimal(str(said).strip())
    except (ArithmeticError, ValueError):
        return None
    return number if number.is_finite() and number >= 0 else None

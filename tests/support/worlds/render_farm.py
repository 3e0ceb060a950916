"""A lasting strategy as an author from outside writes it by CONTRIBUTING: a farm is asked for a picture, over HTTP."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Final, Literal

from consumer.catalog import WorkflowPolicy
from consumer.heal.calls.request import origin
from consumer.heal.calls.session import Calls
from consumer.heal.digest import digest
from consumer.heal.gate import run_permitted
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.refusals import hopeless, missing_context, redacted_part
from consumer.heal.session import HealSession, proof
from consumer.heal.strategy import EffectGate, Task
from consumer.model import Diagnosis, Failure, Healed, Intent, MicroAud, NotHealed, Outcome, Refused, Scope, Unknown
from consumer.model.call import Answer, CallResult, OutboundRequest
from schemas.json_text import to_json
from schemas.names import Code, Effect, StrategyName, Verdict
from tests.support.worlds.http_world import Reply, Seen, World, json_reply

PRICE: Final = MicroAud(20_000)
IMPOSSIBLE: Final = "a square circle"


class RenderState(HealState):
    """An order that is about to be given, or the job that came of it."""

    version: ClassVar[int] = 1
    stage: Literal["ordering", "rendering"] = "ordering"
    job_id: str | None = None


@dataclass(slots=True)
class Farm:
    """The farm itself: takes orders once per key, renders until told to end, and takes jobs back."""

    world: World
    jobs: dict[str, str] = field(default_factory=dict)
    """By job: `rendering`, `done` or `cancelled`."""
    keys: dict[str, str] = field(default_factory=dict)
    impossible: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    away: bool = False

    def __post_init__(self) -> None:
        self.world.on("/jobs", self._order)

    def end_all(self) -> None:
        """End every job: `done`, or `failed` where nobody can render the scene."""
        self.jobs |= {job: "failed" if job in self.impossible else "done" for job in self.jobs}

    def _order(self, _: int, seen: Seen) -> Reply:
        self.calls["order"] += 1
        job = self.keys.get(seen.key) if seen.key else None
        if job is None:
            job = f"job-{len(self.jobs) + 1}"
            self.keys[seen.key], self.jobs[job] = job, "rendering"
            self.impossible |= {job} if seen.json["scene"] == IMPOSSIBLE else set()
            self.world.on(f"/jobs/{job}", partial(self._look, job))
        return json_reply({"id": job}, 201)

    def _look(self, job: str, _: int, seen: Seen) -> Reply:
        self.calls[seen.method] += 1
        if self.away:
            return Reply(status=503)
        if job not in self.jobs:
            return json_reply({"error": "no such job"}, 404)
        if seen.method == "DELETE":
            self.jobs[job] = "cancelled"
        return json_reply({"state": self.jobs[job]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Renders:
    """In auto-retry's place: orders one job for each failure, and is done once the farm says so."""

    calls: Calls
    kind: Effect = Effect.KEYED
    every: timedelta = timedelta(hours=1)
    longest_suspension: timedelta = timedelta(hours=2)
    states: tuple[type[HealState], ...] = (RenderState,)
    name: StrategyName = StrategyName.AUTO_RETRY
    fields: tuple[str, ...] = ("context.render.farm", "context.render.scene", "context.render")
    oracles: tuple[str, ...] = ("picture",)

    def needs(self, failure: Failure) -> tuple[str, ...]:
        given = _given(failure)
        return tuple(f"context.render.{name}" for name in ("farm", "scene") if not isinstance(given.get(name), str))

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        touched = redacted_part(failure, ("render",), "no scene is a secret")
        if reason := touched or hopeless(diagnosis):
            return reason
        if self.needs(failure):
            return "context.render is incomplete"
        return self.calls.refusal(self._order_of(failure, None), policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        order = self._order_of(failure, None)
        return Intent(
            scope=Scope(f"{failure.org_id}:render:{digest(_given(failure))}"),
            effect=self.kind,
            window=4 * policy.auto_retry.timeout,
            idempotency_key=str(failure.id) if self.kind is Effect.KEYED else None,
            dependency=origin(order.url),
        )

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud:  # noqa: ARG002 - the Protocol's
        return PRICE

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        if missing := self.needs(task.failure):
            return missing_context(missing)
        if reason := self.refusal(task.failure, task.diagnosis, task.policy):
            return Refused(code=Code.REFUSED, reason=reason)
        await gate.keep(RenderState())
        return await self._order(HealSession(task=task, gate=gate, pause=asyncio.sleep))

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        session = HealSession(task=task, gate=gate, pause=asyncio.sleep)
        state = _state(kept)
        if state.job_id is None:
            if kept.begun and self.kind is Effect.UNSAFE:
                return session.unknown("whether the job was ordered is not known")
            return await self._order(session)
        seen = await self._send(session, self._job(task, state, "GET"))
        return self._judged(session, state, seen)

    def _judged(self, session: HealSession, state: RenderState, seen: CallResult) -> Outcome | Suspended:
        match seen:
            case Answer(status=404):
                return session.not_healed(Code.NOT_HEALED, f"the farm knows no {state.job_id}")
            case Answer(status=200):
                stands = json.loads(seen.body)["state"]
            case _:
                why = "the farm does not answer"
                return Suspended(state=state, look_again=self.every, reason=why, dependency_unhealthy=True)
        if stands == "done":
            return Healed(proofs=(proof("picture", Verdict.PASSED, stands),), spent=PRICE)
        if stands == "failed":
            denied = proof("picture", Verdict.FAILED, stands)
            return session.not_healed(Code.NOT_HEALED, "it cannot be rendered", (denied,))
        return Suspended(state=state, look_again=self.every, reason=f"{state.job_id} is {stands}")

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        session, state = HealSession(task=task, gate=gate, pause=asyncio.sleep), _state(kept)
        if state.job_id is None:
            return session.unknown("whether a job was ordered is not known")
        call = replace(self._job(task, state, "DELETE"), effect=True)
        taken_back = await run_permitted(gate, partial(self._send, session, call))
        if isinstance(taken_back, Answer) and taken_back.status == 200:
            return NotHealed(code=Code.DENIED, reason=f"{state.job_id} was taken back")
        return session.unknown(f"{state.job_id} could not be taken back")

    def too_long(self, task: Task, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        return Unknown(reason=f"{_state(kept).job_id} has taken too long")

    async def _order(self, session: HealSession) -> Outcome | Suspended:
        order = self._order_of(session.task.failure, session.task.plan.intent.idempotency_key)
        answered = await run_permitted(session.gate, partial(self._send, session, order))
        if not (isinstance(answered, Answer) and answered.status == 201):
            session.dependency_unhealthy = not isinstance(answered, Answer)
            if self.kind is Effect.UNSAFE:
                return session.unknown("the order was not answered")
            return session.retry_later(timedelta(seconds=1), "the order was not answered", effect_in_doubt=True)
        state = RenderState(stage="rendering", job_id=json.loads(answered.body)["id"])
        await session.gate.keep(state)
        return Suspended(state=state, look_again=self.every, reason=f"{state.job_id} is rendering")

    async def _send(self, session: HealSession, call: OutboundRequest) -> CallResult:
        within = session.within(session.policy.auto_retry.timeout)
        return await self.calls.send(call, session.policy, within=within, max_bytes=65_536)

    def _order_of(self, failure: Failure, key: str | None) -> OutboundRequest:
        given = _given(failure)
        headers = (("Content-Type", "application/json"), *((("Idempotency-Key", key),) if key else ()))
        body = to_json({"scene": given["scene"]})
        url = f"{given['farm']}/jobs"
        return OutboundRequest(method="POST", url=url, headers=headers, body=body, org_id=failure.org_id, effect=True)

    def _job(self, task: Task, state: RenderState, method: str) -> OutboundRequest:
        url = f"{_given(task.failure)['farm']}/jobs/{state.job_id}"
        return OutboundRequest(method=method, url=url, org_id=task.failure.org_id)


def _given(failure: Failure) -> dict[str, Any]:
    given = failure.context.get("render")
    return given if isinstance(given, dict) else {}


def _state(kept: Kept) -> RenderState:
    assert isinstance(kept.state, RenderState)
    return kept.state

"""A call without a key whose answer was lost: read back before anything is sent again, and never made twice.

The other side keeps its own record of charges, with the moment at which each takes effect. Time is what was slept.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from consumer.errors import DeadlinePassed
from consumer.heal.auto_retry import AutoRetry
from consumer.model import Failure, Healed, NotHealed, Outcome, Refused, RetryLater, Unknown
from consumer.outbound.calls import OutboundCalls, open_calls
from consumer.redact import redact_json
from schemas.names import Code, Effect, Verdict
from tests.support.healing import NOW, Clock, Gate, diagnosis, failure, heal_to_its_end, policy, task
from tests.support.worlds.http_world import Reply, Seen, World, http_world, json_reply, page_reply

NEVER_LEFT = {"code": "ECONNREFUSED"}
CUT = Reply(drop=True)
NOT_THERE = json_reply({"detail": "no such charge"}, 404)
BUSY = json_reply({"error": "busy"}, 503)


@dataclass(slots=True, kw_only=True)
class Ending(Gate):
    """A gate whose time passes while it is slept."""

    clock: Clock

    def remaining(self) -> timedelta:
        return self.left - timedelta(seconds=sum(self.clock.slept))


@dataclass(slots=True, kw_only=True)
class Shop:
    """A place that charges, and a look at what it has charged."""

    world: World
    calls: OutboundCalls
    clock: Clock = field(default_factory=Clock)
    gate: Gate = field(default_factory=lambda: Gate(left=timedelta(minutes=10)))
    charged_at: list[float] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)

    @property
    def time(self) -> float:
        return sum(self.clock.slept)

    def charges(self, *behaviours: tuple[Reply, float | None]) -> None:
        """The n-th POST gets the n-th reply, and takes effect so many seconds after it; None: never."""

        def script(n: int, _: Seen) -> Reply:
            reply, after = behaviours[min(n, len(behaviours)) - 1]
            if after is not None:
                self.charged_at.append(self.time + after)
            return reply

        self.world.on("/charges", script)
        self.world.on("/charges/17", self.shown)

    def shown(self, n: int = 0, _: Seen | None = None) -> Reply:
        del n
        return json_reply({"id": 17}) if any(at <= self.time for at in self.charged_at) else NOT_THERE

    @property
    def sent(self) -> int:
        return len(self.world.calls("/charges"))

    @property
    def looks(self) -> int:
        return len(self.world.calls("/charges/17"))

    def failed(
        self, *, error: dict[str, Any] | None = None, look: dict[str, Any] | None = None, **more: object
    ) -> Failure:
        resume = more.pop("resume", None)
        read_back = {"url": self.world.url("/charges/17"), **(look or {})}
        request = {"method": "POST", "url": self.world.url("/charges"), "read_back": read_back, **more}
        return failure({"request": request, "error": error or {}} | ({"resume": resume} if resume else {}))

    async def heal(self, failed: Failure) -> Outcome:
        strategy = AutoRetry(self.calls, redact_json, random=lambda: 0.5, sleep=self.clock.sleep, now=self.clock.now)
        allowed = policy(self.world.port, **self.limits)
        assert strategy.refusal(failed, diagnosis(), allowed) is None
        assert strategy.intent(failed, allowed).reads_back
        return await heal_to_its_end(strategy, task(strategy, failed, allowed), self.gate, self.clock.sleep)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with http_world() as world, open_calls({}) as calls:
        yield Shop(world=world, calls=calls)


DONE = json_reply({"id": 17}, 201)
DID_NOT = json_reply({"error": "x"}, 500)


@pytest.mark.parametrize(
    ("behaviours", "sent"),
    [
        pytest.param([(CUT, 0)], 1, id="did it, then cut"),
        pytest.param([(CUT, None), (DONE, 0)], 2, id="cut, and did not do it"),
        pytest.param([(CUT, 0.5)], 1, id="cut, and did it at once"),
        pytest.param([(CUT, 4)], 1, id="cut, and did it after the first look"),
        pytest.param([(CUT, 10)], 1, id="cut, and did it at the last moment of the quiet time"),
        pytest.param([(DID_NOT, 0)], 1, id="did it, and answered 500"),
        pytest.param([(DID_NOT, None), (DONE, 0)], 2, id="answered 500, and did not do it"),
        pytest.param([(Reply(status=303), 2)], 1, id="answered with a redirect, and did it soon"),
        pytest.param([(Reply(status=429), None), (CUT, 7)], 2, id="turned away first, and then slow"),
        pytest.param([(CUT, None), (CUT, 3)], 2, id="lost twice, and done the second time"),
        pytest.param([(json_reply({"success": False}), 1)], 1, id="did it, and lied about it"),
    ],
)
async def test_a_call_whose_answer_is_lost_takes_effect_exactly_once(
    shop: Shop, behaviours: list[tuple[Reply, float | None]], sent: int
) -> None:
    shop.charges(*behaviours)
    outcome = await shop.heal(shop.failed(error=NEVER_LEFT))
    assert isinstance(outcome, Healed)
    assert outcome.code is None
    assert (len(shop.charged_at), shop.sent, shop.gate.begins) == (1, sent, sent)
    if behaviours[-1][0] is not DONE:
        assert outcome.proofs[0].oracle == "read_back"
        assert outcome.recovered is not None
        assert outcome.recovered.body == {"id": 17}


async def test_a_server_that_works_on_after_our_time_out_is_not_asked_twice(shop: Shop) -> None:
    shop.charges((Reply(never=True), 6))
    outcome = await shop.heal(shop.failed(error=NEVER_LEFT, timeout_seconds=0.2))
    assert isinstance(outcome, Healed)
    assert (len(shop.charged_at), shop.sent) == (1, 1)
    assert shop.time >= 6


@pytest.mark.parametrize(
    ("first", "second"),
    [((CUT, None), (CUT, None)), ((DID_NOT, None), (DID_NOT, None))],
    ids=["cut", "500"],
)
async def test_what_never_happens_is_tried_as_often_as_allowed_and_known_not_to_be_healed(
    shop: Shop, first: tuple[Reply, None], second: tuple[Reply, None]
) -> None:
    shop.charges(first, second)
    outcome = await shop.heal(shop.failed(error=NEVER_LEFT))
    assert isinstance(outcome, NotHealed)
    assert outcome.dependency_unhealthy
    assert (shop.charged_at, shop.sent) == ([], 3)


TELLS_NOTHING = [
    pytest.param(BUSY, {}, id="503"),
    pytest.param(Reply(drop=True), {}, id="cut"),
    pytest.param(json_reply({}, 401), {}, id="401"),
    pytest.param(Reply(status=302), {}, id="a redirect"),
    pytest.param(page_reply("<h1>404</h1>", 404), {}, id="404 as a page"),
    pytest.param(json_reply([]), {}, id="an empty list"),
    pytest.param(Reply(), {}, id="nothing"),
    pytest.param(json_reply({"ok": False}), {}, id="a lie"),
    pytest.param(json_reply({"state": "new"}), {"expect": {"json": [{"path": "/state", "equals": "paid"}]}}, id="half"),
    pytest.param(NOT_THERE, {"absent": {"status": 410}}, id="404 where 410 is declared"),
    pytest.param(NOT_THERE, {"expect": {"status": "4xx"}, "absent": {"status": 404}}, id="both at once"),
    pytest.param(json_reply({}, 404, headers=(("Age", "7"),)), {}, id="an absence out of a cache"),
    pytest.param(json_reply({"x": "y" * 3000}), {}, id="longer than is read"),
]


@pytest.mark.parametrize(("seen", "look"), TELLS_NOTHING)
async def test_a_look_that_tells_nothing_repeats_nothing(shop: Shop, seen: Reply, look: dict[str, Any]) -> None:
    shop.limits = {"response_bytes": 2048}
    shop.charges((CUT, 0), (DONE, 0))
    shop.world.on("/charges/17", seen)
    outcome = await shop.heal(shop.failed(error=NEVER_LEFT, look=look))
    assert isinstance(outcome, Unknown)
    assert (len(shop.charged_at), shop.sent) == (1, 1)
    assert "looks" in outcome.details


@pytest.mark.parametrize(("seen", "look"), TELLS_NOTHING)
async def test_with_only_the_failed_call_in_doubt_it_is_not_healed_and_nothing_is_sent(
    shop: Shop, seen: Reply, look: dict[str, Any]
) -> None:
    shop.limits = {"response_bytes": 2048}
    shop.charges((DONE, 0))
    shop.world.on("/charges/17", seen)
    outcome = await shop.heal(shop.failed(look=look))
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.UNVERIFIED
    assert (shop.sent, shop.gate.begins) == (0, 0)


@pytest.mark.parametrize(("seen", "look"), TELLS_NOTHING)
async def test_after_an_attempt_that_ended_unknown_a_look_that_tells_nothing_leaves_it_so(
    shop: Shop, seen: Reply, look: dict[str, Any]
) -> None:
    shop.limits = {"response_bytes": 2048}
    shop.charges((DONE, 0))
    shop.world.on("/charges/17", seen)
    # The evidence speaks of the failed call, not of ours.
    outcome = await shop.heal(replace(shop.failed(error=NEVER_LEFT, look=look), effect_in_doubt=True))
    assert isinstance(outcome, Unknown)
    assert (shop.sent, shop.gate.begins) == (0, 0)


@pytest.mark.parametrize("lands_after", [0, 5, 10])
async def test_what_has_recovered_by_itself_is_seen_and_not_done_again(shop: Shop, lands_after: float) -> None:
    shop.charges((DONE, 0))
    shop.charged_at.append(lands_after)
    outcome = await shop.heal(shop.failed())
    assert isinstance(outcome, Healed)
    assert outcome.code is Code.RECOVERED
    assert [(proof.oracle, proof.verdict) for proof in outcome.proofs] == [("read_back", Verdict.PASSED)]
    assert (shop.sent, shop.gate.begins) == (0, 0)


async def test_a_call_that_has_surely_not_happened_is_made_after_the_quiet_time(shop: Shop) -> None:
    shop.charges((DONE, 0))
    outcome = await shop.heal(shop.failed())
    assert isinstance(outcome, Healed)
    assert outcome.code is None
    assert shop.charged_at == [10.0]
    assert shop.looks >= 2


async def test_an_attempt_of_ours_that_ended_unknown_is_waited_for_and_then_made_good(shop: Shop) -> None:
    shop.charges((DONE, 0))
    late = replace(shop.failed(error=NEVER_LEFT), effect_in_doubt=True, detected_at=NOW - timedelta(hours=1))
    assert isinstance(await shop.heal(late), Healed)
    assert shop.charged_at == [10.0]


async def test_what_an_earlier_attempt_of_ours_did_is_not_called_a_recovery(shop: Shop) -> None:
    shop.charges((DONE, 0))
    shop.charged_at.append(6)
    outcome = await shop.heal(replace(shop.failed(error=NEVER_LEFT), effect_in_doubt=True))
    assert isinstance(outcome, Healed)
    assert outcome.code is None
    assert shop.sent == 0


@pytest.mark.parametrize(
    ("age", "waits"), [(timedelta(0), 10), (timedelta(seconds=66), 4), (timedelta(minutes=2), 0), (-timedelta(1), 10)]
)
async def test_the_age_of_a_failure_counts_for_its_quiet_time_less_what_clocks_may_differ(
    shop: Shop, age: timedelta, waits: float
) -> None:
    shop.charges((DONE, 0))
    assert isinstance(await shop.heal(replace(shop.failed(), detected_at=NOW - age)), Healed)
    assert shop.time == waits


async def test_a_long_quiet_time_is_a_durable_timer_after_which_the_call_is_made_at_once(shop: Shop) -> None:
    shop.charges((DONE, 0))
    failed = shop.failed(look={"after_seconds": 120})
    outcome = await shop.heal(failed)
    assert isinstance(outcome, RetryLater)
    assert outcome.after == timedelta(seconds=180)
    assert (shop.sent, shop.looks, shop.time) == (0, 1, 0)
    assert isinstance(await shop.heal(replace(failed, detected_at=NOW - outcome.after)), Healed)
    assert (shop.sent, shop.time) == (1, 0)


async def test_a_long_quiet_time_that_cannot_be_trusted_to_a_clock_is_waited_for(shop: Shop) -> None:
    shop.charges((DONE, 0))
    ahead = replace(shop.failed(look={"after_seconds": 120}), detected_at=NOW + timedelta(days=400))
    assert isinstance(await shop.heal(ahead), Healed)
    assert shop.charged_at == [120.0]


async def test_without_the_time_to_wait_nothing_is_repeated(shop: Shop) -> None:
    shop.gate = Ending(left=timedelta(seconds=9), clock=shop.clock)
    shop.charges((CUT, None), (DONE, 0))
    outcome = await shop.heal(shop.failed(error=NEVER_LEFT))
    assert isinstance(outcome, Unknown)
    assert shop.sent == 1


async def test_no_look_is_made_past_the_claims_time(shop: Shop) -> None:
    shop.gate.left = timedelta(0)
    shop.charges((DONE, 0))
    with pytest.raises(DeadlinePassed):
        await shop.heal(shop.failed())
    assert (shop.sent, shop.looks) == (0, 0)


async def test_a_look_that_is_asked_to_wait_long_is_a_durable_timer(shop: Shop) -> None:
    shop.charges((DONE, 0))
    shop.world.on("/charges/17", json_reply({}, 503, headers=(("Retry-After", "90"),)))
    shop.limits = {"tries": 1}
    outcome = await shop.heal(replace(shop.failed(), detected_at=NOW - timedelta(minutes=5)))
    assert isinstance(outcome, RetryLater)
    assert outcome.after == timedelta(seconds=90)
    assert outcome.dependency_unhealthy
    assert shop.sent == 0


async def test_a_look_that_fails_once_is_made_again(shop: Shop) -> None:
    shop.charges((CUT, 0))
    shop.world.on("/charges/17", BUSY, NOT_THERE, BUSY, shop.shown)
    assert isinstance(await shop.heal(shop.failed(error=NEVER_LEFT)), Healed)
    assert shop.sent == 1


ABSENT_IN_A_LIST = {
    "expect": {"json": [{"path": "/items/0/id", "exists": True}]},
    "absent": {"json": [{"path": "/count", "equals": 0}]},
}


async def test_its_owner_says_how_an_absence_looks(shop: Shop) -> None:
    shop.charges((CUT, None), (DONE, 0))

    def listed(_: int, __: Seen) -> Reply:
        count = len(shop.charged_at)
        return json_reply({"count": count, "items": [{"id": 17}] * count})

    shop.world.on("/charges/17", listed)
    assert isinstance(await shop.heal(shop.failed(error=NEVER_LEFT, look=ABSENT_IN_A_LIST)), Healed)
    assert (len(shop.charged_at), shop.sent) == (1, 2)


@pytest.mark.parametrize(
    ("look", "seen", "sent", "code"),
    [
        pytest.param({}, json_reply({"id": 17}), 1, None, id="not asked for: the key is enough"),
        pytest.param({"first": True}, json_reply({"id": 17}), 0, Code.RECOVERED, id="it is there"),
        pytest.param({"first": True}, NOT_THERE, 1, None, id="it is not there"),
        pytest.param({"first": True}, BUSY, 1, None, id="nobody can say: the key is enough"),
    ],
)
async def test_a_keyed_call_is_looked_for_first_only_where_that_is_asked(
    shop: Shop, look: dict[str, Any], seen: Reply, sent: int, code: Code | None
) -> None:
    shop.charges((DONE, 0))
    shop.world.on("/charges/17", seen)
    outcome = await shop.heal(shop.failed(look=look, idempotency_key="k"))
    assert isinstance(outcome, Healed)
    assert (shop.sent, outcome.code) == (sent, code)


async def test_a_look_says_what_it_is_and_carries_nothing_of_the_call(shop: Shop) -> None:
    shop.charges((DONE, 0))
    shop.charged_at.append(0)
    head = {"method": "head", "headers": {"X-Account": "7"}}
    assert isinstance(await shop.heal(shop.failed(look=head, body={"n": 1}, headers={"X-Call": "1"})), Healed)
    look = shop.world.calls("/charges/17")[0]
    assert (look.method, look.body, look.headers["cache-control"]) == ("HEAD", b"", "no-cache")
    assert look.headers["x-account"] == "7"
    assert "x-call" not in look.headers


@pytest.mark.parametrize(("accepts", "kind"), [(Reply(), Healed), (Reply(status=410), NotHealed)])
async def test_what_was_read_back_is_handed_over_as_such(shop: Shop, accepts: Reply, kind: type) -> None:
    shop.charges((DONE, 0))
    shop.charged_at.append(0)
    shop.world.on("/resume", accepts)
    assert isinstance(await shop.heal(shop.failed(resume={"url": shop.world.url("/resume")})), kind)
    handed = shop.world.calls("/resume")[0].json
    assert (handed["source"], handed["response"]["body"]) == ("read_back", {"id": 17})
    assert shop.sent == 0


async def test_an_answer_that_is_not_what_the_caller_demands_is_not_made_good_by_a_look(shop: Shop) -> None:
    shop.charges((json_reply({"id": 18}, 201), 0))
    demands = {"json": [{"path": "/id", "equals": 17}]}
    outcome = await shop.heal(shop.failed(error=NEVER_LEFT, expect=demands))
    assert isinstance(outcome, Unknown)
    assert shop.sent == 1


async def test_a_lie_about_what_did_not_happen_is_known_not_to_have_healed(shop: Shop) -> None:
    shop.charges((json_reply({"success": False}), None))
    outcome = await shop.heal(shop.failed(error=NEVER_LEFT))
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.UNVERIFIED


@pytest.mark.parametrize("effect_in_doubt", [False, True])
def test_without_a_key_and_without_a_look_an_unsafe_effect_is_refused(shop: Shop, *, effect_in_doubt: bool) -> None:
    strategy = AutoRetry(shop.calls, redact_json)
    request = {"method": "POST", "url": shop.world.url("/charges")}
    failed = replace(
        failure({"request": request, "error": NEVER_LEFT if effect_in_doubt else {}}), effect_in_doubt=effect_in_doubt
    )
    reason = strategy.refusal(failed, diagnosis(), policy(shop.world.port))
    assert reason is not None
    assert "read_back" in reason


async def test_a_look_at_a_foreign_host_refuses_before_anything_is_sent(shop: Shop) -> None:
    strategy, allowed = AutoRetry(shop.calls, redact_json), policy(shop.world.port)
    failed = shop.failed(look={"url": "http://elsewhere.example/"})
    reason = strategy.refusal(failed, diagnosis(), allowed)
    assert reason is not None
    assert reason.startswith("context.request.read_back: ")
    assert isinstance(await strategy.heal(task(strategy, failed, allowed), shop.gate), Refused)
    assert shop.world.seen == []


def test_a_window_has_room_for_settling_its_doubts(shop: Shop) -> None:
    strategy, allowed = AutoRetry(shop.calls, redact_json), policy(shop.world.port)
    plain = shop.failed(idempotency_key="k")
    unsafe, slow = shop.failed(), shop.failed(look={"after_seconds": 60})
    windows = [strategy.intent(one, allowed).window for one in (plain, unsafe, slow)]
    assert windows[0] + timedelta(seconds=20) <= windows[1]
    assert windows[1] + timedelta(seconds=100) == windows[2]
    assert strategy.intent(unsafe, allowed).effect is Effect.UNSAFE

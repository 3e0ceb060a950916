"""Who may stand in: over random catalogs no call, probe or header ever leaves for a candidate that breaks a rule."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.catalog.candidates import Candidate, MovableCalls
from consumer.catalog.dependencies import Dependency
from consumer.heal.calls.body import content_of
from consumer.heal.dependency_replacement.candidates import Observed, broken_rule, choose, dearest, unmovable
from consumer.heal.dependency_replacement.translation import broken_echo, candidate_call, told_back
from consumer.model.call import Answer
from consumer.runners.templates import UnfitValue
from schemas.context import RequestContext
from schemas.names import Effect
from tests.support.healing import NOW, ORG, failure

REFUSED = {"code": "ECONNREFUSED"}
REGIONS = st.sets(st.sampled_from(("au", "eu", "us")), max_size=3)
PROMISES = st.sets(st.sampled_from(("no-training", "no-retention")), max_size=2)
PRICES = st.none() | st.integers(0, 5).map(lambda cents: Decimal(cents) / 100)


def dependency(*candidates: dict[str, Any], **more: Any) -> Dependency:  # noqa: ANN401 - the catalog's own fields
    declared = {
        "url": "https://first.example/v1",
        "health": {"url": "https://first.example/health"},
        "contract": {"answer": {"type": "object", "required": ["text"]}} | more.pop("contract", {}),
        "candidates": [named(n, **one) for n, one in enumerate(candidates or ({},))],
    }
    return Dependency.model_validate(declared | more)


def named(n: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - the same
    wire = {} if "call" in more else {"url": f"https://c{n}.example/api"}
    return {"name": f"c{n}", "probe": {"url": f"https://c{n}.example/health"}} | wire | more


def request(**more: Any) -> RequestContext:  # noqa: ANN401 - the event's own fields
    return RequestContext.model_validate(
        {"method": "POST", "url": "https://first.example/v1/run?model=m1", "body": {"q": "hello"}, "effect": "none"}
        | more
    )


@st.composite
def declared_candidates(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "regions": sorted(draw(REGIONS)),
        "data_policy": sorted(draw(PROMISES)),
        "price_aud": draw(PRICES),
        "provides": sorted(draw(st.sets(st.sampled_from(("glossary", "json")), max_size=2))),
        "organisations": draw(st.sampled_from(("*", [str(ORG)], ["00000000-0000-4000-8000-000000000001"]))),
        "moves": draw(st.sampled_from(MovableCalls)),
    }


@st.composite
def declared_rules(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "organisations": draw(st.sampled_from(("*", [str(ORG)], ["00000000-0000-4000-8000-000000000001"]))),
        "regions": draw(st.none() | REGIONS.map(sorted)),
        "data_policy": sorted(draw(PROMISES)),
        "max_price_aud": draw(PRICES),
    }


@settings(max_examples=150, derandomize=True)
@given(
    st.lists(declared_candidates(), min_size=1, max_size=5),
    st.lists(declared_rules(), max_size=3),
    st.sets(st.sampled_from(("glossary", "json")), max_size=2),
    st.sampled_from(("order", "price", "latency", "health")),
    st.sets(st.integers(0, 4)),
    st.sampled_from((None, Effect.NONE, Effect.KEYED, Effect.UNSAFE)),
)
def test_whoever_is_chosen_keeps_every_rule(
    candidates: list[dict[str, Any]],
    rules: list[dict[str, Any]],
    requires: set[str],
    prefer: str,
    down: set[int],
    effect: Effect | None,
) -> None:
    declared = dependency(*candidates, rules=rules, prefer=prefer, contract={"requires": sorted(requires)})
    asked = request(effect=effect, idempotency_key="k" if effect is Effect.KEYED else None)
    chosen = choose(
        declared,
        failure({"request": {"url": asked.url}}),
        asked,
        refusal=lambda _: None,
        observed={},
        shunned={f"c{n}": NOW + timedelta(seconds=1) for n in down},
        now=NOW,
    )
    for one in chosen.eligible:
        given_of = candidates[int(one.name[1:])]
        assert int(one.name[1:]) not in down
        assert requires <= set(given_of["provides"])
        assert given_of["organisations"] in ("*", [str(ORG)])
        assert effect is Effect.NONE or given_of["moves"] is not MovableCalls.NONE
        for rule in rules:
            if rule["organisations"] not in ("*", [str(ORG)]):
                continue
            if rule["regions"] is not None:
                assert given_of["regions"]
                assert set(given_of["regions"]) <= set(rule["regions"])
            assert set(rule["data_policy"]) <= set(given_of["data_policy"])
            if rule["max_price_aud"] is not None:
                assert given_of["price_aud"] is not None
                assert given_of["price_aud"] <= rule["max_price_aud"]
    assert {one.name for one in chosen.eligible} | set(chosen.ruled_out) == {one.name for one in declared.candidates}
    prices = [one.price for one in chosen.eligible if one.price is not None]
    assert prefer != "price" or prices == sorted(prices)
    held = dearest(declared, failure({}))
    kept = [one for one in declared.candidates if broken_rule(declared, one, failure({})) is None]
    assert held is None or all(one.price is not None and one.price <= held for one in kept)


def test_the_preferred_one_comes_first_and_equals_stay_as_declared() -> None:
    def order(prefer: str, observed: dict[str, Observed]) -> list[str]:
        declared = dependency({"price_aud": "3"}, {"price_aud": "1"}, {"price_aud": "1"}, prefer=prefer)
        chosen = choose(
            declared, failure({}), request(), refusal=lambda _: None, observed=observed, shunned={}, now=NOW
        )
        return [one.name for one in chosen.eligible]

    seen = {"c1": Observed(seconds=0.9, strikes=1), "c2": Observed(seconds=0.1, strikes=4)}
    assert order("order", seen) == ["c0", "c1", "c2"]
    assert order("price", seen) == ["c1", "c2", "c0"]
    assert order("latency", seen) == ["c2", "c1", "c0"]
    assert order("health", seen) == ["c0", "c1", "c2"]


MOVES: list[tuple[str, dict[str, Any], dict[str, Any], MovableCalls, bool]] = [
    ("without effect", {"effect": "none"}, {}, MovableCalls.NONE, True),
    (
        "keyed, where none is declared",
        {"effect": "keyed", "idempotency_key": "k"},
        REFUSED,
        MovableCalls.NONE,
        False,
    ),
    ("keyed, certainly not run", {"effect": "keyed", "idempotency_key": "k"}, REFUSED, MovableCalls.NOT_RUN, True),
    (
        "keyed, may have run",
        {"effect": "keyed", "idempotency_key": "k"},
        {"code": "ETIMEDOUT"},
        MovableCalls.NOT_RUN,
        False,
    ),
    (
        "keyed, keys are shared",
        {"effect": "keyed", "idempotency_key": "k"},
        {"code": "X"},
        MovableCalls.SHARED_KEYS,
        True,
    ),
    ("without a key", {"effect": "unsafe"}, REFUSED, MovableCalls.SHARED_KEYS, False),
    ("idempotent at the first alone", {"effect": "idempotent"}, REFUSED, MovableCalls.NOT_RUN, False),
]


@pytest.mark.parametrize(("asked", "error", "moves", "may"), [one[1:] for one in MOVES], ids=[one[0] for one in MOVES])
def test_a_call_with_an_effect_moves_only_where_no_second_one_is_risked(
    asked: dict[str, Any], error: dict[str, Any], moves: MovableCalls, may: bool
) -> None:
    candidate = dependency({"moves": moves}).candidates[0]
    assert (unmovable(candidate, failure({"error": error}), request(**asked)) is None) is may


def test_a_keyed_call_that_is_reported_twice_may_run_once_at_each_place_where_only_not_run_is_declared() -> None:
    """As decision 44 says: no report knows of the other, and a key protects at one place alone."""
    asked = request(effect="keyed", idempotency_key="k")
    first, second = failure({"error": REFUSED}), failure({"error": REFUSED, "report": 2})
    assert first.id != second.id
    (candidate,) = dependency({"moves": MovableCalls.NOT_RUN}).candidates
    assert unmovable(candidate, first, asked) is None
    assert unmovable(candidate, second, asked) is None
    (shared,) = dependency({"moves": MovableCalls.SHARED_KEYS}).candidates
    here, there = (candidate_call(dependency(), one, asked, ORG) for one in (candidate, shared))
    keys = [value for call in (here, there) for name, value in call.headers if name.lower() == "idempotency-key"]
    assert keys == ["k", "k"], "what knows the first's keys makes it once"


# ---- what is sent, and what is told back


def test_the_same_wire_takes_along_no_header_of_the_first() -> None:
    declared = dependency({"headers": {"authorization": "Bearer secret://SECOND"}})
    headers = {
        "Authorization": "Bearer secret://FIRST",
        "Cookie": "a=b",
        "X-Api-Key": "secret://FIRST",
        "Accept": "application/json",
        "X-Tenant": "acme",
    }
    call = candidate_call(declared, declared.candidates[0], request(headers=headers), ORG)
    assert call.url == "https://c0.example/api/run?model=m1"
    assert call.body == b'{"q":"hello"}'
    assert dict(call.headers) == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "authorization": "Bearer secret://SECOND",
    }


TRANSLATED = {
    "call": {
        "url": "https://c0.example/v2/{model}",
        "headers": {"idempotency-key": "{key}"},
        "body": {"input": {"text": "{text}"}, "tone": "{tone?}"},
        "values": {"model": "/query/model", "text": "/body/q", "tone": "/body/tone"},
    },
    "answer": {
        "values": {"text": "/choices/0/text", "currency": "/currency"},
        "body": {"text": "{text}", "currency": "{currency?}"},
    },
}


def test_another_wire_is_filled_from_the_request() -> None:
    declared = dependency(TRANSLATED)
    call = candidate_call(declared, declared.candidates[0], request(idempotency_key="k-1"), ORG)
    assert (call.method, call.url) == ("POST", "https://c0.example/v2/m1")
    assert call.body == b'{"input":{"text":"hello"}}'
    assert dict(call.headers)["idempotency-key"] == "k-1"


@pytest.mark.parametrize(
    "asked",
    [
        {"url": "https://first.example/v1/run?model=a/../b"},
        {"url": "https://first.example/v1/run"},
        {"url": "https://elsewhere.example/v1/run?model=m1"},
        {"body": {}},
        {"idempotency_key": None},
    ],
    ids=["a path that leads elsewhere", "no model", "another place", "no text", "no key"],
)
def test_what_cannot_be_told_in_its_words_is_not_sent(asked: dict[str, Any]) -> None:
    declared = dependency(TRANSLATED)
    with pytest.raises(UnfitValue):
        candidate_call(declared, declared.candidates[0], request(**({"idempotency_key": "k"} | asked)), ORG)


def test_a_body_above_its_limit_is_not_sent() -> None:
    declared = dependency({"limits": {"request_bytes": 10}})
    with pytest.raises(UnfitValue):
        candidate_call(declared, declared.candidates[0], request(), ORG)


def answer(body: bytes, media: str = "application/json") -> Answer:
    headers = (("Content-Type", media), ("X-Cost", "4"), ("Date", "today"))
    return Answer(status=200, headers=headers, body=body, truncated=False, elapsed=timedelta(0))


def test_an_answer_is_told_in_the_words_of_the_first() -> None:
    candidate: Candidate = dependency(TRANSLATED).candidates[0]
    told = told_back(candidate, answer(b'{"choices": [{"text": "hallo"}], "currency": "AUD"}'))
    assert content_of(told).value == {"text": "hallo", "currency": "AUD"}
    assert told.header("x-cost") is None
    for wrong in (answer(b""), answer(b"<p>", "text/html"), answer(b'{"choices": []}'), answer(b"[]")):
        with pytest.raises(UnfitValue):
            told_back(candidate, wrong)


@pytest.mark.parametrize(
    ("asked", "got", "broken"),
    [
        ({"currency": "AUD"}, b'{"currency": "AUD"}', False),
        ({"currency": "AUD"}, b'{"currency": "USD"}', True),
        ({"currency": "AUD"}, b"{}", True),
        ({}, b'{"currency": "USD"}', True),
        ({}, b"{}", False),
        ({"currency": 1}, b'{"currency": true}', True),
    ],
)
def test_a_member_that_has_to_come_back_as_it_was_sent(asked: dict[str, Any], got: bytes, broken: bool) -> None:
    declared = dependency(contract={"echoes": [{"request": "/currency", "answer": "/currency"}]})
    said = broken_echo(declared.contract, request(body=asked), content_of(answer(got)))
    assert (said is not None) is broken
    assert "USD" not in str(said)


@pytest.mark.parametrize(("price", "most"), [("0.1000004", "0.1"), ("0.0000004", "0"), ("0.0000005", "0")])
def test_a_price_above_the_rule_by_less_than_a_millionth_is_above_it(price: str, most: str) -> None:
    declared = dependency({"price_aud": price}, rules=[{"max_price_aud": most}])
    assert broken_rule(declared, declared.candidates[0], failure({})) is not None
    allowed = dependency({"price_aud": price}, rules=[{"max_price_aud": price}])
    held = dearest(allowed, failure({}))
    assert held is not None
    assert Decimal(held) >= Decimal(price) * 1_000_000


def test_a_query_with_a_name_twice_is_told_whole_or_not_at_all() -> None:
    asked = request(url="https://first.example/v1/run?id=1&id=2")
    values = {"ids": "/query/id"}
    whole = dependency({"call": {"url": "https://c0.example/api", "body": {"ids": "{ids}"}, "values": values}})
    call = candidate_call(whole, whole.candidates[0], asked, ORG)
    assert call.body == b'{"ids":["1","2"]}'
    in_url = dependency({"call": {"url": "https://c0.example/api/{ids}", "values": values}})
    with pytest.raises(UnfitValue):
        candidate_call(in_url, in_url.candidates[0], asked, ORG)

"""The agent's budget: no run, and no ten runs at once, use more tokens than they may, whatever comes of the answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest
from openai import AsyncOpenAI, OpenAIError
from pydantic_ai import Agent

from consumer.agent.model import chat_model
from consumer.agent.wire import AgentStopped, BudgetedTransport, OutOfTokens, Spending
from consumer.catalog import WorkflowPolicy, parse_catalog
from consumer.errors import LostClaim, WouldAct
from consumer.model import AttemptId, FailureId, MicroAud, OrgId
from consumer.model.call import CallResult
from consumer.model.token_budget import TokenUse
from consumer.outbound.calls import OutboundCalls, open_calls
from consumer.settings import PostgresSettings
from consumer.store.agent_budget import FORGET_AFTER_DAYS, StoredTokenBudgets, forget_budgets
from consumer.store.pool import open_pool
from tests.support.pipeline import catalog, until
from tests.support.worlds.chat_world import PATH, ChatWorld, Said, lost
from tests.support.worlds.http_world import Reply, World, http_world, json_reply

import httpx2  # isort: skip

LIMIT: Final = 6_000
REPLY: Final = 5_000
ORG: Final = OrgId(UUID(int=7))


async def freely(act: Callable[[], Awaitable[CallResult]]) -> CallResult:
    return await act()


@dataclass(slots=True, kw_only=True)
class Bench:
    """A ledger, a model's server, and runs that call it until they may no more."""

    ledger: StoredTokenBudgets
    chat: ChatWorld
    calls: OutboundCalls
    db: "asyncpg.Pool[asyncpg.Record]"
    charged: list[int] = field(default_factory=list)

    def spending(self, failure: UUID | None = None, **changes: Any) -> Spending:  # noqa: ANN401 - any field
        policy = self.policy(**changes.pop("agent", {}))
        assert policy.agent is not None
        given: dict[str, Any] = {
            "hold": MicroAud(10_000_000),
            "permitted": freely,
            "attempt_id": AttemptId(uuid4()),
        } | changes
        return Spending(
            model=policy.agent,
            policy=policy,
            calls=self.calls,
            ledger=self.ledger,
            charge=self.charged.append,
            remaining=lambda: timedelta(seconds=30),
            failure_id=FailureId(failure or uuid4()),
            org_id=ORG,
            workflow_name="orders",
            **given,
        )

    def policy(self, **agent: Any) -> WorkflowPolicy:  # noqa: ANN401 - any field
        fields = {
            "api": self.chat.api,
            "model": "scripted",
            "price": "{input_aud: 1, output_aud: 1}",
            "reply": REPLY,
            "tokens": f"{{failure: {LIMIT}}}",
        } | agent
        block = "{" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"
        found = parse_catalog(catalog(self.chat.world.port, agent=block)).policy("orders")
        assert found is not None
        return found

    async def until_stopped(self, spending: Spending) -> str:
        """Call the model again and again, whatever it answers, until no further call is made."""
        async with httpx2.AsyncClient(transport=BudgetedTransport(spending), trust_env=False) as client:
            api = AsyncOpenAI(api_key="none", base_url=spending.model.api, max_retries=0, http_client=client)
            for _ in range(40):
                try:
                    await api.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "go on"}])
                except (OpenAIError, ValueError, AgentStopped, LostClaim, WouldAct):
                    if spending.stopped is not None:
                        return str(spending.stopped)
        raise AssertionError("it was never stopped")

    async def counted(self) -> int:
        """What the ledger has of all calls, known or not."""
        found: int = await self.db.fetchval(
            "SELECT coalesce(sum(coalesce(input_spent + output_spent, input_held + output_held)), 0)::bigint"
            " FROM heal_agent_call"
        )
        return found

    async def adds_up(self) -> None:
        """Every budget says the same as the calls that it paid for."""
        wrong = await self.db.fetch(
            "SELECT b.scope FROM heal_agent_budget b LEFT JOIN LATERAL ("
            " SELECT coalesce(sum(c.input_spent + c.output_spent), 0) AS spent,"
            " coalesce(sum(c.input_held + c.output_held) FILTER (WHERE c.input_spent IS NULL), 0) AS held"
            " FROM heal_agent_call c WHERE b.scope = ANY(c.scopes)) AS t ON true"
            " WHERE (b.spent, b.held) IS DISTINCT FROM (t.spent, t.held)"
        )
        assert not wrong


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        world: World = await stack.enter_async_context(http_world())
        pool = await stack.enter_async_context(open_pool(PostgresSettings.model_validate({"dsn": database})))
        calls = await stack.enter_async_context(open_calls({}))
        yield Bench(
            ledger=StoredTokenBudgets(pool),
            chat=ChatWorld(world=world, talk=lambda _, __: Said(text="more", tokens=REPLY)),
            calls=calls,
            db=pool,
        )


MISHAPS: Final[dict[str, Callable[[int, Reply], Reply]]] = {
    "nothing": lambda _, reply: reply,
    "a lost answer": lost,
    "every second answer lost": lambda n, reply: lost(n, reply) if n % 2 else reply,
    "an error after the work": lambda _, __: json_reply({"error": "oops"}, 500, effect=True),
    "nonsense": lambda _, __: Reply(body=b"<html>busy</html>"),
    "an answer without its use": lambda _, __: json_reply({"choices": []}),
    "a use of nothing": lambda _, __: json_reply({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}),
}


@pytest.mark.parametrize("mishap", MISHAPS)
async def test_one_run_never_uses_more_than_its_limit(bench: Bench, mishap: str) -> None:
    bench.chat.mishap = MISHAPS[mishap]
    said = await bench.until_stopped(bench.spending())
    assert "failure" in said
    assert 0 < bench.chat.charged <= LIMIT
    assert bench.chat.charged <= await bench.counted() <= LIMIT
    assert sum(bench.charged) == await bench.counted()
    await bench.adds_up()


@pytest.mark.parametrize("mishap", MISHAPS)
async def test_ten_at_once_never_use_more_than_their_wallet(bench: Bench, mishap: str) -> None:
    bench.chat.mishap = MISHAPS[mishap]
    shared = {"tokens": f"{{failure: {LIMIT}, workflow: {LIMIT}, organisation: {LIMIT}}}"}
    await asyncio.gather(*(bench.until_stopped(bench.spending(agent=shared)) for _ in range(10)))
    assert 0 < bench.chat.charged <= LIMIT
    assert bench.chat.charged <= await bench.counted() <= LIMIT
    await bench.adds_up()


async def test_a_budget_outlives_its_process(bench: Bench) -> None:
    failure = uuid4()
    await bench.until_stopped(bench.spending(failure))
    before = bench.chat.charged
    await bench.until_stopped(bench.spending(failure))
    assert bench.chat.charged == before


async def test_a_call_that_was_cut_off_counts_whole(bench: Bench) -> None:
    spending = bench.spending()
    bench.chat.talk = lambda _, __: Reply(never=True)
    task = asyncio.create_task(bench.until_stopped(spending))

    async def asked() -> bool:
        return bool(bench.chat.asked)

    await until(asked)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await bench.ledger.used_by(spending.attempt_id)).output == REPLY
    assert sum(bench.charged) == await bench.counted() > REPLY


@pytest.mark.parametrize("status", [400, 401, 429])
async def test_a_call_that_is_refused_before_it_begins_costs_nothing(bench: Bench, status: int) -> None:
    bench.chat.talk = lambda n, _: json_reply({"error": {"message": "no"}}, status) if n < 5 else Said(text="yes")
    async with chat_model(bench.spending()) as model:
        for _ in range(4):
            with pytest.raises(Exception, match=str(status)):
                await Agent(model).run("go on")
        assert (await bench.counted(), sum(bench.charged)) == (0, 0)
        assert (await Agent(model).run("go on")).output == "yes"


@pytest.mark.parametrize("refusal", [WouldAct, LostClaim("another's")], ids=str)
async def test_what_the_gate_forbids_is_neither_sent_nor_charged(bench: Bench, refusal: Any) -> None:  # noqa: ANN401
    async def forbid(_: Callable[[], Awaitable[CallResult]]) -> CallResult:
        raise refusal

    spending = bench.spending(permitted=forbid)
    await bench.until_stopped(spending)
    assert isinstance(spending.stopped, WouldAct | LostClaim)
    assert (len(bench.chat.asked), await bench.counted(), sum(bench.charged)) == (0, 0, 0)


async def test_it_is_bounded_by_the_credits_that_are_held_too(bench: Bench) -> None:
    price = "{input_aud: 100, output_aud: 400}"
    spending = bench.spending(hold=MicroAud(1_000_000), agent={"price": price, "tokens": "{failure: 100000}"})
    said = await bench.until_stopped(spending)
    assert "held for this heal" in said
    assert 0 < sum(bench.charged) <= 1_000_000


async def test_a_server_error_is_sent_once_and_the_request_carries_nothing_but_its_body(bench: Bench) -> None:
    bench.chat.talk = lambda _, __: json_reply({"error": "oops"}, 503)
    async with chat_model(bench.spending()) as model:
        with pytest.raises(Exception, match="503"):
            await Agent(model).run("go on")
    [seen] = bench.chat.world.calls(PATH)
    assert set(seen.headers) <= {"host", "accept", "accept-encoding", "content-length", "content-type", "user-agent"}
    assert "openai" not in seen.headers["user-agent"].lower()
    assert seen.json["max_completion_tokens"] == REPLY


async def test_what_cannot_be_bounded_is_not_sent(bench: Bench) -> None:
    spending = bench.spending()
    async with httpx2.AsyncClient(transport=BudgetedTransport(spending), trust_env=False) as client:
        for path, body in (("chat/completions", {"stream": True}), ("chat/completions", {"n": 3}), ("files", {})):
            spending.stopped = None
            with pytest.raises(AgentStopped):
                await client.post(f"{spending.model.api}/{path}", json=body)
    assert not bench.chat.asked


async def test_no_model_is_called_where_the_catalog_lets_nobody_call(bench: Bench) -> None:
    elsewhere = bench.chat.api.replace("127.0.0.1", "127.0.0.2")
    spending = bench.spending(agent={"api": elsewhere})
    said = await bench.until_stopped(spending)
    assert "127.0.0.2" in said
    assert not isinstance(spending.stopped, OutOfTokens)
    assert await bench.counted() == 0


async def test_settling_twice_changes_nothing_and_more_than_was_reserved_is_counted(bench: Bench) -> None:
    spending = bench.spending()
    call = spending.call()
    limits = spending.model.token_limits
    await bench.ledger.reserve(call, limits, input_tokens=100, output_tokens=100, least_output=10)
    await bench.ledger.settle(call.id, TokenUse(input=150, output=120))
    await bench.ledger.settle(call.id, TokenUse())
    assert await bench.ledger.used_by(call.attempt_id) == TokenUse(input=150, output=120)
    await bench.adds_up()


async def test_what_is_too_old_to_count_is_forgotten_and_nothing_else(bench: Bench) -> None:
    await bench.until_stopped(bench.spending())
    counted = "SELECT (SELECT count(*) FROM heal_agent_call), (SELECT count(*) FROM heal_agent_budget)"
    before = tuple(await bench.db.fetchrow(counted) or ())
    assert min(before) > 0
    await forget_budgets(bench.db)
    assert tuple(await bench.db.fetchrow(counted) or ()) == before
    days = FORGET_AFTER_DAYS + 1
    await bench.db.execute("UPDATE heal_agent_call SET at = at - $1 * interval '1 day'", days)
    await bench.db.execute(
        "UPDATE heal_agent_budget SET at = at - $1 * interval '1 day' WHERE scope LIKE 'failure:%'", days
    )
    await forget_budgets(bench.db)
    assert tuple(await bench.db.fetchrow(counted) or ()) == (0, before[1] - 1)

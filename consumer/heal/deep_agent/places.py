"""Where the definitions of workflows are kept: what the registry has of one, and where it can be put in force."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from consumer.catalog import WorkflowPolicy
from consumer.heal.deep_agent import rules
from consumer.heal.deep_agent.canary import CALL, CanarySession
from consumer.heal.deep_agent.proposing import RewriteTools
from consumer.heal.deep_agent.rollback import DefinitionPlace, put_back
from consumer.heal.deep_agent.state import CanaryState
from consumer.heal.kept import Kept
from consumer.heal.strategy import EffectGate, Task
from consumer.model import AttemptId, OrgId, Refused
from consumer.model.definition_watch import DefinitionWatch
from consumer.model.identity import uuid5_from_bytes
from consumer.model.rewrite import Rewrite
from consumer.runners.definitions import StoredDefinition, WorkflowRef
from consumer.runners.registry import registered_config
from consumer.workflows.runs import RecordedRun, WorkflowConfig
from schemas.names import Code, Effect

ResultT = TypeVar("ResultT")


async def config_of(tools: RewriteTools, org_id: OrgId, workflow_name: str) -> WorkflowConfig | str:
    """Return what the registry has of a workflow, or why that cannot be read."""
    entry = await tools.definitions.registry.entry(org_id, workflow_name)
    return registered_config(None if entry is None else entry.config)


def in_force(config: WorkflowConfig | str, stored: StoredDefinition | None, good_runs: int) -> WorkflowConfig | str:
    """Return the definition in force with its good runs, as its store has both, else as the registry's table has them.

    Or why there is none, or too few good runs of it.
    """
    if stored is not None and stored.good_runs is not None:
        config = WorkflowConfig(definition=stored.definition, good_runs=stored.good_runs)
    elif stored is not None and not isinstance(config, str):
        config = config.model_copy(update={"definition": stored.definition})
    if isinstance(config, str) or len(config.good_runs) >= good_runs:
        return config
    return (
        f"the registry has {len(config.good_runs)} recorded good runs of it, and {good_runs} are needed: nothing else "
        "says what a patch must not change"
    )


def place_of(
    tools: RewriteTools, org_id: OrgId, workflow_name: str, policy: WorkflowPolicy, config: WorkflowConfig | str
) -> DefinitionPlace | None:
    """Return where a definition can be put in force; None where nothing there runs one run of it, and but once."""
    store, of = tools.definitions.stores.of(policy), WorkflowRef(org_id=str(org_id), workflow_name=workflow_name)
    if store is None or store.refusal(of, policy) is not None or store.effect() is Effect.UNSAFE:
        return None
    invariants = () if isinstance(config, str) else config.definition.invariants
    return DefinitionPlace(store=store, of=of, policy=policy, invariants=invariants)


async def kept_canary(
    tools: RewriteTools, task: Task, gate: EffectGate, kept: Kept, state: CanaryState
) -> CanarySession | Refused:
    """Return the session of a canary that was begun before, or why it cannot be gone on with."""
    failure = task.failure
    rewrite, failing = await tools.rewrites.of_attempt(AttemptId(state.rewrite)), rules.failing_run(failure)
    config = await config_of(tools, failure.org_id, failure.workflow_name)
    place = place_of(tools, failure.org_id, failure.workflow_name, task.policy, config)
    if rewrite is None or failing is None or place is None or task.policy.agent is None:
        reason = "the catalog, or its event, says no more how its canary goes on: look which definition is in force"
        return Refused(code=Code.NEEDS_PERSON, reason=reason)
    session = canary_of(tools, task, gate, place, rewrite, failing)
    session.suspended_for = kept.suspended_for
    return session


def canary_of(
    tools: RewriteTools, task: Task, gate: EffectGate, place: DefinitionPlace, rewrite: Rewrite, failing: RecordedRun
) -> CanarySession:
    """Return the session of a canary."""
    if task.policy.agent is None:
        raise TypeError("only a workflow with an agent has a canary")
    return CanarySession(
        task=task,
        gate=gate,
        pause=asyncio.sleep,
        agent=task.policy.agent,
        place=place,
        watches=tools.definitions.watches,
        redact=tools.redact,
        rewrite=rewrite,
        failing=failing,
    )


async def put_watched_back(
    tools: RewriteTools, watch: DefinitionWatch, policy: WorkflowPolicy
) -> DefinitionWatch | str:
    """Put back what a watched definition has replaced; returns the row as it is then, or why nobody knows yet."""
    config = await config_of(tools, watch.org_id, watch.workflow_name)
    place = place_of(tools, watch.org_id, watch.workflow_name, policy, config)
    if place is None:
        return "the catalog names nowhere where its definition could be put back"
    key = f"shw-{uuid5_from_bytes(watch.attempt_id.bytes, 'definition:back')}"
    return await put_back(place, watch, _at_once, key=key, within=CALL)


async def _at_once(act: Callable[[], Awaitable[ResultT]]) -> ResultT:
    return await act()

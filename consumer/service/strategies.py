"""The strategies of this release, each opened with what it needs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from consumer.catalog import Catalogs
from consumer.generators.configured import CurrentGenerators
from consumer.heal.auto_regenerate.ports import NOTHING_MADE, MadeAssets
from consumer.heal.auto_regenerate.strategy import AutoRegenerate
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.billing_sync.book import NoBook
from consumer.heal.billing_sync.strategy import BillingSync
from consumer.heal.by_cause import ByCause
from consumer.heal.deep_agent.learning import NOTHING_LEARNT
from consumer.heal.deep_agent.ports import NO_DEFINITIONS, NOTHING_PROPOSED, Definitions, DefinitionWatches
from consumer.heal.deep_agent.strategy import DeepAgent
from consumer.heal.dependency_replacement.session import BindingBook, NoBindings
from consumer.heal.dependency_replacement.strategy import DependencyReplacement
from consumer.heal.route_repair.strategy import RouteRepair
from consumer.heal.schema_autofix.strategy import SchemaAutofix
from consumer.heal.schema_check.check import schema_check
from consumer.heal.strategy import Strategies, Strategy
from consumer.media.worker_pool import media_worker_pool
from consumer.media_store.configured import CurrentMediaStores
from consumer.outbound.calls import open_calls
from consumer.redact import redact_json
from consumer.repair.worker_pool import repair_worker_pool
from consumer.runners.configured import CurrentRunners
from consumer.runners.contract import Runners
from consumer.runners.definition_stores import ConfiguredDefinitions
from consumer.runners.kafka.engine import RecordTopics
from consumer.settings import OutboundSettings
from consumer.store.agent_budget import StoredTokenBudgets
from consumer.store.billing_events import StoredBillingBook
from consumer.store.definitions import StoredRegistry
from consumer.store.pool import Pool
from consumer.store.rewrite_rules import StoredRules
from consumer.store.rewrites import StoredRewrites
from schemas.names import FailureType, StrategyName

REPAIR_CHILDREN: Final = 3
"""One more than an organisation may have at once."""


@asynccontextmanager
async def installed_strategies(
    catalogs: Catalogs,
    connections: int,
    limits: OutboundSettings | None = None,
    bindings: BindingBook | None = None,
    made: MadeAssets = NOTHING_MADE,
    records: Pool | None = None,
    watches: DefinitionWatches = NOTHING_PROPOSED,
    topics: RecordTopics | None = None,
) -> AsyncIterator[Strategies]:
    """Open the strategies of this release; each reads what it needs from the catalog in force.

    Without `bindings` they only plan: nothing stands in for a dependency. `made` remembers assets made before.
    Definitions, proposed patches, token budgets and what became of billing events are in the database of `records`;
    without it no model is asked. `watches` has the definitions that were put in force; mended
    records go back to their `topics`. The rung of the agent is there
    where an entry of the catalog has an agent.
    """
    async with (
        open_calls(catalogs.secrets, connections=connections) as calls,
        repair_worker_pool(children=REPAIR_CHILDREN) as room,
        schema_check() as schemas,
        media_worker_pool() as media,
    ):
        runners = CurrentRunners(catalogs, calls, topics)
        retry = AutoRetry(calls, redact_json, schemas=schemas, outbound_limits=limits, runners=runners)
        regenerate = AutoRegenerate(
            generators=CurrentGenerators(catalogs, calls),
            media=media,
            stores=CurrentMediaStores(catalogs, calls),
            made=made,
            redact=redact_json,
        )
        replacing = DependencyReplacement(retry.tools, bindings or NoBindings())
        billing = BillingSync(retry.tools, NoBook() if records is None else StoredBillingBook(records))
        strategies: dict[StrategyName, Strategy] = {
            StrategyName.AUTO_RETRY: retry,
            StrategyName.AUTO_REGENERATE: regenerate,
            StrategyName.SCHEMA_AUTOFIX: SchemaAutofix(runners, room, redact_json, schemas=schemas),
            StrategyName.ROUTE_REPAIR: RouteRepair(runners, calls, redact_json),
            StrategyName.DEPENDENCY_REPLACEMENT: ByCause(FailureType.BILLING_SYNC_ISSUE, billing, replacing),
        }
        if any(entry.agent is not None for entry in catalogs.current.workflows):
            strategies[StrategyName.WORKFLOW_REWRITE] = DeepAgent(
                calls=calls,
                ledger=NOTHING_PROPOSED if records is None else StoredTokenBudgets(records),
                rewrites=NOTHING_PROPOSED if records is None else StoredRewrites(records),
                redact=redact_json,
                runners=runners,
                definitions=NO_DEFINITIONS if records is None else stored_definitions(records, runners, watches),
                learnt=NOTHING_LEARNT if records is None else StoredRules(records),
            )
        yield strategies


def stored_definitions(records: Pool, runners: Runners, watches: DefinitionWatches) -> Definitions:
    """Return where definitions are kept: in the registry of a database, or at the engine of a workflow's entry."""
    registry = StoredRegistry(records)
    return Definitions(registry=registry, stores=ConfiguredDefinitions(runners, registry), watches=watches)

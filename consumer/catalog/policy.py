"""Workflow policy: hosts, secrets, strategies, limits and credits that the catalog allows for a workflow's heals."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from consumer.catalog.access import Host
from consumer.catalog.actions import DeclaredAction
from consumer.catalog.agent import AgentLimits
from consumer.catalog.approval import ApprovalRules
from consumer.catalog.auto_regenerate import AutoRegenerateLimits
from consumer.catalog.billing import BillingAccount
from consumer.catalog.declared import Declared
from consumer.catalog.dependencies import Dependency
from consumer.catalog.heartbeats import HeartbeatRules
from consumer.catalog.ladder import ONCE, UNLIMITED, Ladders, RungLimits, Rungs, contradictions
from consumer.catalog.limits import AutoRetryLimits, Brake, NoNegative, SameLimit, micro_aud
from consumer.catalog.no_secret import Place
from consumer.catalog.route_repair import RouteRepairLimits
from consumer.catalog.runners.checks import fault
from consumer.catalog.schema_autofix import SchemaAutofixLimits
from consumer.catalog.steps import StepRule, Steps
from consumer.model import ActionName, MicroAud, RungName, strategy_of
from consumer.model.digest import digest
from schemas.names import Mode, StrategyName


class WorkflowPolicy(Declared):
    """Policy for the workflows whose name matches; the first match in the catalog counts."""

    name: str
    """A workflow's name, or a pattern with `*` and `?`."""
    hosts: tuple[Host, ...] = ()
    secrets: tuple[str, ...] = ()
    runner: str | None = None
    """The engine that runs it, by its name under `runners`; without one no run is touched."""
    media_store: str | None = None
    """Where its generated assets go, by its name under `media_stores`; without one none is stored."""
    generators: tuple[str, ...] = ()
    """What makes its images and voices again, by names under `generators`, in the order in which they are tried."""
    strategies: tuple[StrategyName, ...] | None = None
    """The only strategies that may act; None allows all that are installed."""
    members: tuple[StrategyName, ...] = ()
    """Strategies that may act on rows that plain members inserted; for any other an owner or admin has to ask."""
    mode: Mode = Mode.LIVE
    """`shadow`: what its strategies would do is told, and none of them acts."""
    ladders: Ladders = Field(default_factory=dict)
    """Order in which strategies and declared actions are tried, by failure type; the healer's own order for types that
    are not listed."""
    rungs: Rungs = Field(default_factory=dict)
    """Limits of each strategy, or declared action, for one failure."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Most attempts that act, over the failure's whole life."""
    lifetime_attempts: Annotated[int, Field(ge=1, le=1000)] = 20
    """The same across requested heals, each of which starts `attempts` anew."""
    same: SameLimit | None = None
    """Rate limit; none by default: the circuit breaker detects a broken dependency, the wallet limits money."""
    brake: Brake | None = None
    """Brake on mass failures; none by default: only its operator knows how many runs a workflow has."""
    approval: ApprovalRules | None = None
    """Plans that act only after a person's yes; none by default."""
    backoff: NoNegative = timedelta(seconds=5)
    """Backoff before the second attempt; doubles each time, with jitter, up to `backoff_cap`."""
    backoff_cap: NoNegative = timedelta(minutes=10)
    max_age: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(hours=24)
    """Longest age of a failure that is healed: an older one is not worth it, as its world has moved on."""
    no_secret: Annotated[tuple[Place, ...], Field(max_length=64)] = ()
    """Places of its requests and payloads that hold no secret, whatever they look like: what stands there is sent."""
    watch: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=90))] = timedelta(days=7)
    """After a proven heal: the same cause on the same scope within it is a relapse."""
    dependencies: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """What its calls depend on and may be replaced, by their names under the catalog's `dependencies`."""
    billing: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """The billing accounts that are brought into step for it, by their names under the catalog's `billing`; of several
    the first that the organisation may use."""
    most_replaced: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Most of these, as a share, that may be replaced at once for one organisation; always at least one."""
    auto_retry: AutoRetryLimits = AutoRetryLimits()
    schema_autofix: SchemaAutofixLimits = SchemaAutofixLimits()
    route_repair: RouteRepairLimits = RouteRepairLimits()
    steps: Steps = Field(default_factory=dict)
    """May a step that may have begun be begun again? Not where nothing is declared."""
    heartbeats: HeartbeatRules = HeartbeatRules()
    """How long its runs may be silent, where they send heartbeats."""
    auto_regenerate: AutoRegenerateLimits = AutoRegenerateLimits()
    diagnose: Literal["rules", "agent"] = "rules"
    """What says what is broken: the rules; or, where they know no type, the model of `agent` after them."""
    agent: AgentLimits | None = None
    """The model that may propose another definition of it; none by default: then no workflow is rewritten."""
    allowance_aud: Decimal = Decimal("0.05")
    """Most credits that one attempt may hold in its organisation's wallet, from before it starts until it ends."""

    _replaceable: Mapping[str, Dependency] = PrivateAttr(default_factory=dict)
    _actions: Mapping[ActionName, DeclaredAction] = PrivateAttr(default_factory=dict)
    _accounts: Mapping[str, BillingAccount] = PrivateAttr(default_factory=dict)

    @property
    def replaceable(self) -> Mapping[str, Dependency]:
        """The declarations of its `dependencies`, by name."""
        return self._replaceable

    @property
    def accounts(self) -> Mapping[str, BillingAccount]:
        """The declarations of its `billing`, by name."""
        return self._accounts

    def with_declared(self, dependencies: Mapping[str, Dependency], accounts: Mapping[str, BillingAccount]) -> Self:
        """Return the policy with the declarations of what it names; all have to be declared."""
        if not self.dependencies and not self.billing:
            return self
        policy = self.model_copy()
        policy._replaceable = {name: dependencies[name] for name in self.dependencies}  # noqa: SLF001 - its own class
        policy._accounts = {name: accounts[name] for name in self.billing}  # noqa: SLF001 - as above
        return policy

    @property
    def named_actions(self) -> frozenset[ActionName]:
        """The declared actions that stand on its ladders."""
        return frozenset(rung for whole in self.ladders.values() for rung in whole if isinstance(rung, ActionName))

    @property
    def actions(self) -> Mapping[ActionName, DeclaredAction]:
        """The declarations of the actions on its ladders, by the names of their rungs."""
        return self._actions

    def with_actions(self, declared: Mapping[str, DeclaredAction]) -> Self:
        """Return the policy with the declarations of the actions on its ladders; all have to be declared."""
        if not self.named_actions:
            return self
        policy = self.model_copy()
        policy._actions = {name: declared[name.action] for name in sorted(self.named_actions)}  # noqa: SLF001
        return policy

    @cached_property
    def allowances(self) -> Mapping[RungName, MicroAud]:
        """Most credits that one attempt may hold, by rung."""
        rungs: tuple[RungName, ...] = (*StrategyName, *self.named_actions)
        declared = {rung: self.limits_of(rung).allowance_aud for rung in rungs}
        return {one: micro_aud(self.allowance_aud if own is None else own) for one, own in declared.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the entry as it is declared, in hex: an approved plan holds under the same entry only."""
        replaceable = {name: one.model_dump(mode="json") for name, one in self._replaceable.items()}
        actions = {name: one.model_dump(mode="json") for name, one in self._actions.items()}
        accounts = {name: one.model_dump(mode="json") for name, one in self._accounts.items()}
        besides = {"replaceable": replaceable, "actions": actions, "accounts": accounts}
        # An entry without what came later keeps the digest that it had: plans that wait for an answer stay the same.
        later: dict[str, Any] = {} if self.billing else {"billing": True}
        if self.diagnose == "rules":
            later |= {"diagnose": True, "agent": {"diagnosis": True}}
        own = self.model_dump(mode="json", exclude=later)
        return digest(own | {name: one for name, one in besides.items() if one})

    def limits_of(self, rung: RungName) -> RungLimits:
        """Return the limits that are declared for one rung; of an action without any, once for a failure."""
        return self.rungs.get(rung, ONCE if isinstance(rung, ActionName) else UNLIMITED)

    def rule_of(self, step: str) -> StepRule | None:
        """Return the rule that is declared for a step; None where none matches."""
        return next((rule for pattern, rule in self.steps.items() if fnmatchcase(step, pattern)), None)

    def is_shadow(self, rung: RungName) -> bool:
        """Return whether a rung is in shadow mode; an action is where route-repair is."""
        mode = self.limits_of(rung).mode or self.limits_of(strategy_of(rung)).mode
        return (mode or self.mode) is Mode.SHADOW

    @model_validator(mode="after")
    def _check_contradictions(self) -> Self:
        contradictions(self.ladders, self.rungs, self.strategies, self.attempts)
        if self.diagnose == "agent" and self.agent is None:
            fault("the entry has no `agent:`, so no model could be asked: declare one", "diagnose")
        for place, strategy in enumerate(self.members):
            if self.strategies is not None and strategy not in self.strategies:
                fault(f"{strategy} is not among the entry's `strategies`", "members", place)
        return self

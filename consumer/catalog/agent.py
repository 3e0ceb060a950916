"""The agent of an entry in the catalog: its model, what that costs, and how much it may use. Pure."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, JsonValue, model_validator

from consumer.catalog.change_request import ChangeRequest
from consumer.catalog.declared import Declared
from consumer.catalog.limits import micro_aud
from consumer.catalog.runners.checks import Address, SentHeaders, fault, secrets_in
from consumer.model.token_budget import TokenLimits, TokenPrice

Tokens: TypeAlias = Annotated[int, Field(ge=1, le=10_000_000_000)]
PerMillion: TypeAlias = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class AgentPrice(Declared):
    """What the provider charges for a million tokens, in Australian dollars; 0 for a server of one's own."""

    input_aud: PerMillion
    output_aud: PerMillion


class AgentTokens(Declared):
    """The most tokens, input and output together. No interleaving, crash or lost answer goes beyond."""

    failure: Tokens = 300_000
    """For one failure, over its whole life. Longer runs of agents are not better ones."""
    workflow: Tokens = 1_500_000
    """For one workflow of an organisation, in a day (UTC)."""
    organisation: Tokens = 5_000_000
    """For one organisation, in a day."""
    day: Tokens = 20_000_000
    """For the whole deployment, in a day."""


def check_order(tokens: AgentTokens) -> None:
    """Refuse a narrow budget above a wide one; raises its contradiction with its path."""
    for narrow, wide in pairwise(("failure", "workflow", "organisation", "day")):
        if getattr(tokens, narrow) > getattr(tokens, wide):
            fault(f"more than `{wide}` has: it could never be used", "tokens", narrow)


class AgentModel(Declared):
    """A model behind OpenAI's wire (`POST {api}/chat/completions`), whoever serves it, and its budget."""

    api: Address
    headers: SentHeaders = Field(default_factory=dict)
    """Sent with each call, such as `authorization: Bearer secret://OPENAI`."""
    model: Annotated[str, Field(min_length=1, max_length=256)]
    price: AgentPrice
    tokens: AgentTokens = AgentTokens()
    reply: Annotated[int, Field(ge=256, le=200_000)] = 8_000
    """Most tokens of one reply, reasoning included; less where less is left."""
    limit_name: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The member of the request by which the server bounds a reply; older servers know `max_tokens` alone."""
    bytes_per_token: Annotated[float, Field(ge=1, le=4)] = 1
    """How many bytes of a request make a token at least. No tokenizer makes more than one token of a byte: with 1 a
    reservation is never too small. A larger number reserves less, and is an estimate."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(minutes=2)
    """Timeout of one call, connect to last byte; a call that is cut off may be charged, and counts so."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        check_order(self.tokens)
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return secrets_in(self.headers)

    @property
    def token_limits(self) -> TokenLimits:
        """Its budgets, as the ledger takes them."""
        return TokenLimits(**self.tokens.model_dump())

    @property
    def token_price(self) -> TokenPrice:
        """Its price, in millionths."""
        return TokenPrice(input=micro_aud(self.price.input_aud), output=micro_aud(self.price.output_aud))


class DiagnosisTokens(AgentTokens):
    """The most tokens for diagnoses: a budget of its own, of which no rewrite takes anything."""

    failure: Tokens = 40_000
    workflow: Tokens = 400_000
    organisation: Tokens = 1_000_000
    day: Tokens = 4_000_000


class AgentDiagnosisLimits(Declared):
    """When a model is asked what is broken, with `diagnose: agent`, and how much it may use for that."""

    least_confidence: Annotated[float, Field(gt=0, le=1)] = 0.6
    """It is asked where the rules know no type, and are less sure than this."""
    tokens: DiagnosisTokens = DiagnosisTokens()
    allowance_aud: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Decimal("0.02")
    """The most that one diagnosis may cost; an organisation whose wallet has less is not asked about."""
    longest: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(minutes=5))] = timedelta(minutes=1)
    """Wall clock of one diagnosis, all calls together."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        check_order(self.tokens)
        return self


class AgentLimits(AgentModel):
    """The agent that rewrites an entry's workflows: its model, and when it has to have come to an end."""

    catalogue: dict[str, JsonValue] = Field(default_factory=dict)
    """The actions that steps may have done, and the limits of a patch; read by `consumer/workflows/catalogue.py`."""
    good_runs: Annotated[int, Field(ge=1, le=200)] = 1
    """Recorded good runs that the registry has to have: without any nothing says what a patch must not change."""
    turns: Annotated[int, Field(ge=1, le=30)] = 8
    """Most calls of the model within one state (understand, collect, propose, criticise)."""
    proposals: Annotated[int, Field(ge=1, le=10)] = 3
    """Most patches that are proposed and checked within one attempt."""
    longest: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(minutes=9))] = timedelta(minutes=5)
    """Wall clock of one attempt, all calls together."""
    canary: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=12))] = timedelta(minutes=30)
    """How long one run of an approved definition may take before it counts as failed, and is ended."""
    diagnosis: AgentDiagnosisLimits = AgentDiagnosisLimits()
    """Of an entry with `diagnose: agent`."""
    change_request: ChangeRequest | None = None
    """Where what was approved goes, for workflows that are code; none: a person is handed the patch."""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls, and those of its change request, refer to."""
        return secrets_in(self.headers) | (self.change_request.secrets if self.change_request else frozenset())

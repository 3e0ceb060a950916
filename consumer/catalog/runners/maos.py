"""Declaration of the platform's own runs: the calls that MAOS takes, and the engines that it approves."""

from typing import ClassVar, Final, Literal, Self

from pydantic import model_validator

from consumer.catalog.runners.checks import fault
from consumer.catalog.runners.http import CallTemplate, TemplatedRunner
from consumer.catalog.runners.run_look import Pointer
from consumer.catalog.runners.server import check_token_header
from consumer.catalog.runners.watch import RunnerWatch

ENGINES: Final = ("claude_cli", "deep_agent", "gemini_image", "internal_service")
"""The engines that the platform approves: a step of another one is refused there."""


class DefinitionLook(CallTemplate):
    """Template of the call that reads the definition in force from the platform's registry: never with an effect."""

    places: ClassVar[frozenset[str]] = frozenset({"org_id", "workflow_name"})
    demanded: ClassVar[frozenset[str]] = frozenset({"org_id", "workflow_name"})
    document: Pointer = "/config"
    """Pointer to the definition, with its recorded good runs where the registry has them, in the answer."""
    version: Pointer = "/version"
    """Pointer to the name of this state of it: `{definition.replaces}` of the order that replaces it."""


class RunsCall(CallTemplate):
    """Template of the call that lists runs of a workflow in the platform's form: a GET, never with an effect."""

    places: ClassVar[frozenset[str]] = frozenset({"workflow_name", "org_id", "since", "status"})
    demanded: ClassVar[frozenset[str]] = frozenset({"workflow_name", "status"})
    at: Pointer = ""
    """Pointer to the list of runs in the answer."""


class MaosWatch(RunnerWatch):
    """The same, with the call that lists the platform's runs."""

    runs: RunsCall


class MaosRunner(TemplatedRunner):
    """MAOS, the platform's orchestration: its orders are templates, and its runs have the platform's own form."""

    kind: Literal["maos"]
    engines: tuple[str, ...] = ENGINES
    definition: DefinitionLook | None = None
    """The registry's definitions over the platform's API; None: they are read from its table."""
    watch: MaosWatch | None = None
    """Looks for failed and wedged runs that nobody reports; none by default."""

    @model_validator(mode="after")
    def _check_definition(self) -> Self:
        look, replace = self.definition, self.replace_definition
        if look is None:
            return self
        if look.body is not None:
            fault("a GET has no body", "definition", "body")
        if look.origin != self.look.origin:
            why = f"goes to {look.origin}, but `look` to {self.look.origin}: one runner, one place"
            fault(why, "definition", "url")
        check_token_header(self.token, look.headers)
        if replace is not None and "definition.replaces" not in replace.used:
            why = "nothing in it says `{definition.replaces}`: it would undo what somebody else has put there since"
            fault(why, "replace_definition")
        return self

    @model_validator(mode="after")
    def _check_watch(self) -> Self:
        if self.watch is not None and self.watch.runs.origin != self.look.origin:
            why = f"goes to {self.watch.runs.origin}, but `look` to {self.look.origin}: one runner, one place"
            fault(why, "watch", "runs", "url")
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        own = super().secrets | (frozenset() if self.definition is None else self.definition.secrets)
        return own | (self.watch.runs.secrets if self.watch is not None else frozenset())

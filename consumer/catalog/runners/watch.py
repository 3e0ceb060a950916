"""Declaration of a watch: which workflows' runs are looked for at their engine, how often, and with what load on it."""

from datetime import timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import fault

SOURCE_PREFIX = "urn:shw:watch:"
"""The CloudEvents source of what a watch finds is this and the runner's name: it stands under `sources` like any."""


class WatchedWorkflow(Declared):
    """A workflow whose runs are looked for."""

    name: Annotated[str, Field(min_length=1, max_length=512)]
    """Its name, and no pattern; its entry under `workflows` has to name this runner."""
    organisation: UUID
    """Whose its failures are: an engine knows no organisations."""


class RunnerWatch(Declared):
    """Looks for failed and wedged runs at an engine, by one replica at a time."""

    workflows: Annotated[tuple[WatchedWorkflow, ...], Field(min_length=1, max_length=1000)]
    every: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(seconds=30)
    """From the end of one round of looks to the begin of the next."""
    look_back: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=7))] = timedelta(hours=1)
    """How long before its first look a run may have failed to be told; older ones are left as they are."""
    calls_a_minute: Annotated[int, Field(ge=1, le=6000)] = 300
    """Most calls to the engine in a minute, one at a time; where they do not suffice, the watch falls behind."""
    stalled_after: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=30))] | None = timedelta(
        minutes=30
    )
    """A run that began so long ago and has not ended is looked at: does it stand still? None: no run is."""

    @model_validator(mode="after")
    def _check_named_once(self) -> Self:
        named: set[str] = set()
        for place, workflow in enumerate(self.workflows):
            if workflow.name in named:
                fault(f"{workflow.name} is watched twice: whose a run of it is would not be known", "workflows", place)
            named.add(workflow.name)
        return self


def watch_source(runner: str) -> str:
    """Return the CloudEvents source of what the watch of a runner finds."""
    return f"{SOURCE_PREFIX}{runner}"

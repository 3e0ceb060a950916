"""Declaration of a Conductor server: how its workflow definitions are named, and when a worker counts as polling."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from consumer.catalog.runners.names import EngineName, name_at_engine
from consumer.catalog.runners.server import EngineServer


class ConductorRunner(EngineServer):
    """A Conductor server (3.x), called by its REST API."""

    kind: Literal["conductor"]
    definition: EngineName = "{workflow_name}"
    """The name of the workflow's definition; `{workflow_name}` is the failure's."""
    polled_within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(minutes=1)
    """A worker that has not asked for a task of its type for so long does not count as one."""

    def definition_name(self, workflow_name: str) -> str:
        """Return the name of the definition of a workflow."""
        return name_at_engine(self.definition, workflow_name)

"""Declaration of a Temporal server: its namespace, names of workflow types, and when a worker counts as polling."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from consumer.catalog.runners.names import EngineName, name_at_engine
from consumer.catalog.runners.server import EngineServer


class TemporalRunner(EngineServer):
    """A Temporal server, called by the HTTP API of its frontend."""

    kind: Literal["temporal"]
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$")] = "default"
    workflow_type: EngineName = "{workflow_name}"
    """The type of the workflow; `{workflow_name}` is the failure's."""
    polled_within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(minutes=2)
    """A worker that has not asked for a task for so long does not count as one: a question may last a minute."""

    def type_name(self, workflow_name: str) -> str:
        """Return the type of a workflow."""
        return name_at_engine(self.workflow_type, workflow_name)

"""Declaration of an Airflow server: how its DAGs are named, and where a step's input stands."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from consumer.catalog.declared import Declared
from consumer.catalog.runners.names import EngineName, name_at_engine
from consumer.catalog.runners.server import EngineServer


class StepInput(Declared):
    """Where a step's input stands: the XCom that a task before it pushed."""

    task: Annotated[str, Field(min_length=1, max_length=250)]
    """The task that pushed it."""
    key: Annotated[str, Field(min_length=1, max_length=512)] = "return_value"


class AirflowRunner(EngineServer):
    """An Airflow server (3.x), called by its stable REST API (v2)."""

    kind: Literal["airflow"]
    dag: EngineName = "{workflow_name}"
    """The DAG's id; `{workflow_name}` is the failure's."""
    inputs: dict[str, StepInput] = Field(default_factory=dict)
    """By step, as `dag.task` or a pattern of it: the XCom that a new input replaces before the step is run again."""

    def dag_id(self, workflow_name: str) -> str:
        """Return the id of the DAG that a workflow is."""
        return name_at_engine(self.dag, workflow_name)

    def input_of(self, dag_id: str, step: str) -> StepInput | None:
        """Return where the input of a step stands; None where the catalog does not say."""
        name = f"{dag_id}.{step}"
        return next((found for pattern, found in self.inputs.items() if fnmatchcase(name, pattern)), None)

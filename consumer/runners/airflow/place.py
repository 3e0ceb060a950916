"""Where a run and its step are at an Airflow server. Pure."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from consumer.catalog import AirflowRunner
from consumer.runners.contract import RunRef
from consumer.runners.json_api import segment

_MAPPED: Final = re.compile(r"(.+)\[(\d{1,9})\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowPlace:
    """Where a run and its step are at the server."""

    dag_id: str
    path: str
    """Path of the run."""
    dag_path: str
    task: str | None
    map_index: int

    @property
    def task_path(self) -> str:
        """Path of the step's task instance."""
        mapped = f"/{self.map_index}" if self.map_index >= 0 else ""
        return f"{self.path}/taskInstances/{quote(self.task or '', safe='')}{mapped}"


def place_of(described: AirflowRunner, run: RunRef) -> AirflowPlace | str:
    """Return where a run is, or why it can be nowhere."""
    dag_id = described.dag_id(run.workflow_name)
    mapped = _MAPPED.fullmatch(run.step or "")
    task, index = (mapped[1], int(mapped[2])) if mapped else (run.step, -1)
    dag, run_id = segment(dag_id), segment(run.run_id)
    if dag is None or run_id is None or (task is not None and segment(task) is None):
        return "the run's DAG, id or step cannot stand in a URL's path"
    dag_path = f"/dags/{dag}"
    return AirflowPlace(
        dag_id=dag_id, path=f"{dag_path}/dagRuns/{run_id}", dag_path=dag_path, task=task, map_index=index
    )

"""Looks at a run of an Airflow server: the run, its tasks, and the pools from which they wait to be taken."""

from dataclasses import dataclass
from typing import Final

from consumer.runners.airflow.answers import (
    DAG,
    DAG_RUN,
    POOLS,
    TASKS,
    AirflowPool,
    DagRun,
    TaskInstance,
    is_of,
    run_state,
    stands_if_paused,
    waits_in_pool,
)
from consumer.runners.airflow.place import AirflowPlace
from consumer.runners.answers import gone, parsed, server_time, unseen
from consumer.runners.contract import LookFailed, RunRef, RunState
from consumer.runners.json_api import JsonApi

_PAGE: Final = 100
_MAX_TASKS: Final = 1000
_MAX_POOLS: Final = 1000
ANOTHER: Final = "the answer is of another run"


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowLook:
    """The calls for one run that make up one look."""

    api: JsonApi
    run: RunRef
    place: AirflowPlace

    async def state(self) -> RunState | LookFailed:
        """Query the state of the run."""
        result = await self.api.send("GET", self.place.path)
        found = parsed(result, DAG_RUN)
        if found is None:
            return gone(result) or unseen(result)
        tasks = await all_tasks(self.api, self.place)
        if isinstance(tasks, LookFailed):
            return tasks
        told: tuple[DagRun | TaskInstance, ...] = (found, *tasks)
        if not all(is_of(self.run, self.place.dag_id, each) for each in told):
            return LookFailed(reason=f"the look: {ANOTHER}")
        paused = await self._paused() if stands_if_paused(found, tasks) else False
        if isinstance(paused, LookFailed):
            return paused
        pools = () if paused else await self._pools(tasks)
        return run_state(self.run, found, tasks, pools, server_time(result), paused=paused)

    async def _paused(self) -> bool | LookFailed:
        """Query whether somebody paused the DAG; where that is not told, why the run stands still is not known."""
        result = await self.api.send("GET", self.place.dag_path)
        dag = parsed(result, DAG)
        if dag is None:
            return unseen(result)
        return dag.is_paused if dag.dag_id == self.place.dag_id else LookFailed(reason=f"the look: {ANOTHER}")

    async def _pools(self, tasks: tuple[TaskInstance, ...]) -> tuple[AirflowPool, ...]:
        """Query all pools: those of other tasks tell whether it is one pool from which nothing is taken, or all."""
        if not waits_in_pool(tasks):
            return ()
        found: list[AirflowPool] = []
        while len(found) < _MAX_POOLS:
            read = parsed(await self.api.send("GET", f"/pools?limit={_PAGE}&offset={len(found)}"), POOLS)
            if read is None:
                return ()
            found += read.pools
            if not read.pools or len(found) >= read.total_entries:
                return tuple(found)
        return ()


async def all_tasks(api: JsonApi, place: AirflowPlace) -> tuple[TaskInstance, ...] | LookFailed:
    """Query the tasks of a run, page by page; of one with too many none."""
    found: list[TaskInstance] = []
    total = 1
    while len(found) < total:
        result = await api.send("GET", f"{place.path}/taskInstances?limit={_PAGE}&offset={len(found)}")
        read = parsed(result, TASKS)
        if read is None:
            return unseen(result)
        total = read.total_entries
        if total > _MAX_TASKS or (not read.task_instances and len(found) < total):
            return LookFailed(reason=f"the look: {total} tasks, and at most {_MAX_TASKS} are read")
        found += read.task_instances
    return tuple(found)

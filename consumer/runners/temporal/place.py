"""Where a run is at a Temporal server. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from consumer.catalog import TemporalRunner
from consumer.runners.contract import RunRef
from consumer.runners.json_api import segment

_NAMED: Final = re.compile(r"(?s)(.+)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalPlace:
    """One workflow of a namespace, and the run of it that is meant."""

    workflow_id: str
    run_id: str | None
    """None: its newest run."""
    namespace: str
    """Path of the namespace."""
    path: str
    """Path of the workflow."""

    @property
    def described(self) -> str:
        """Path of what is told of the run that is meant."""
        return self.path if self.run_id is None else f"{self.path}?execution.runId={self.run_id}"


def place_of(described: TemporalRunner, run: RunRef) -> TemporalPlace | str:
    """Return where a run is, or why it can be nowhere; it is named as `workflow id` or `workflow id/run id`."""
    named = _NAMED.fullmatch(run.run_id)
    workflow_id, run_id = (named[1], named[2]) if named else (run.run_id, None)
    quoted = segment(workflow_id)
    if quoted is None:
        return "the workflow's id cannot stand in a URL's path"
    namespace = f"/namespaces/{described.namespace}"
    return TemporalPlace(
        workflow_id=workflow_id, run_id=run_id, namespace=namespace, path=f"{namespace}/workflows/{quoted}"
    )


def run_name(workflow_id: str, run_id: str) -> str:
    """Return how a run is named here."""
    return f"{workflow_id}/{run_id}"

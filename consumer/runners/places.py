"""Origin of an engine (its dependency), organisation of a run, and its values for a call's template. Pure."""

from functools import lru_cache
from uuid import UUID

import httpx2

from consumer.runners.contract import RunRef
from consumer.runners.templates import ABSENT, Found

_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=1024)
def dependency_of(url: str) -> str:
    """Return the origin of a URL or its template, such as `https://runs.example.com:443`."""
    scheme, _, rest = url.partition("://")
    origin = httpx2.URL(f"{scheme}://{rest.split('/', 1)[0].split('?', 1)[0]}")
    return f"{origin.scheme}://{origin.host}:{origin.port or _PORTS[origin.scheme]}"


def organisation(run: RunRef) -> UUID | None:
    """Parse the run's organisation for the egress guard; with None only hosts that are open to all are allowed."""
    try:
        return UUID(run.org_id)
    except ValueError:
        return None


def run_values(run: RunRef) -> dict[str, Found]:
    """Return the values of a run by the names of their places in a template."""
    return {
        "run.id": run.run_id,
        "run.epoch": ABSENT if run.epoch is None else run.epoch,
        "run.step": ABSENT if run.step is None else run.step,
        "org_id": run.org_id,
        "workflow_name": run.workflow_name,
    }

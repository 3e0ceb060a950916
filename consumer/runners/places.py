"""Origin of an engine (its dependency), and organisation of a run. Pure."""

from functools import lru_cache
from uuid import UUID

import httpx2

from consumer.runners.contract import RunRef

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

"""Whose a run is, and what has to be well for its engine to be asked: pure."""

from functools import lru_cache
from uuid import UUID

import httpx2

from consumer.runners.contract import RunRef

_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=1024)
def dependency_of(url: str) -> str:
    """Name the place that a URL or its template goes to, such as `https://runs.example.com:443`."""
    scheme, _, rest = url.partition("://")
    origin = httpx2.URL(f"{scheme}://{rest.split('/', 1)[0].split('?', 1)[0]}")
    return f"{origin.scheme}://{origin.host}:{origin.port or _PORTS[origin.scheme]}"


def organisation(run: RunRef) -> UUID | None:
    """Read the organisation for the guard; None opens only what is open to all."""
    try:
        return UUID(run.org_id)
    except ValueError:
        return None

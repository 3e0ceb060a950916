"""Declaration of a Prefect server: the parameter that takes a payload."""

from typing import Literal

from consumer.catalog.runners.server import EngineServer


class PrefectRunner(EngineServer):
    """A Prefect server (3.x), called by its REST API."""

    kind: Literal["prefect"]
    parameter: str | None = None
    """The flow's parameter that a new payload becomes, the others being the failed run's; None: it becomes all."""

"""Settings of the heartbeats: whether they are read, how often they are kept, and how silent runs are looked at."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from consumer.settings.sections import Seconds, Section


class HeartbeatSettings(Section):
    """How signs of life of runs are read. Off by default: without a producer of them there is nothing to miss."""

    read: bool = False
    """Whether `workflow.heartbeats` is read, and a run that falls silent becomes a failure."""
    group_id: Annotated[str, Field(min_length=1)] = "self-healing-workflows.heartbeats"
    """Consumer group of its own: neither load nor poison of one topic reaches the other's offsets."""
    every: Seconds = timedelta(seconds=5)
    """How often what was read is kept in the database and silent runs are looked for; a run's beats in between cost one
    row. A restart reads so much again."""
    apart: Seconds = timedelta(seconds=5)
    """Least time between the two looks at a silent run that have to agree."""
    kept: Seconds = timedelta(days=1)
    """How long a run is remembered that has gone silent: one without a deadline, or of which a failure was made."""
    runs: Annotated[int, Field(ge=1)] = 100_000
    """Live runs that one process remembers; beats of further ones are dropped and counted."""
    pool_size: Annotated[int, Field(ge=1, le=20)] = 2
    """Database connections of its own: it never queues before intake, nor intake before it."""

"""What a PostgreSQL server is like, as far as a deployment depends on it: clock, durability, memory, encryption."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumer.store.pool import Pool, translated

_FACTS: Final = """
SELECT clock_timestamp() AS now, pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers,
       array(SELECT s.name FROM pg_settings s
              WHERE s.name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND s.setting = 'off'
              ORDER BY s.name) AS unsafe,
       coalesce((SELECT l.ssl FROM pg_stat_ssl l WHERE l.pid = pg_backend_pid()), false) AS is_encrypted
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """Facts of the server that this session is connected to."""

    now: datetime
    shared_buffers: int
    """Bytes."""
    unsafe: tuple[str, ...]
    """Settings that are off, without which a crash loses what was confirmed."""
    is_encrypted: bool


async def server_facts(pool: Pool) -> ServerFacts:
    """Ask the server; any role may."""
    with translated():
        row = await pool.fetchrow(_FACTS)
    if row is None:
        raise AssertionError("one row, always")
    return ServerFacts(**(dict(row) | {"unsafe": tuple(row["unsafe"])}))

"""The role of the service as the documents have it made: with the rights of `deploy/grants.sql`, and no others."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg

from consumer.store.grants import grants_sql
from tests.support.patience import PATIENCE

ROLE = "shw_service"

_CREATE = f"""
DO $$ BEGIN
  IF to_regrole('{ROLE}') IS NULL THEN CREATE ROLE {ROLE} LOGIN BYPASSRLS PASSWORD 'x'; END IF;
END $$
"""


async def documented_role(dsn: str, name: str = ROLE) -> str:
    """Make the role on the server and grant its rights in a migrated database; gives its DSN there."""
    owner = await asyncpg.connect(dsn, timeout=PATIENCE)
    try:
        await owner.execute(_CREATE.replace(ROLE, name))
        await owner.execute(grants_sql(name))
    finally:
        await owner.close(timeout=PATIENCE)
    return dsn_as(dsn, name)


def dsn_as(dsn: str, name: str) -> str:
    """Give the DSN of another role of the same database."""
    at = urlsplit(dsn)
    return urlunsplit(at._replace(netloc=f"{name}:x@{at.netloc.rpartition('@')[2]}"))

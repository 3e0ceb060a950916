"""Name of the deployment that a database serves: the first to start writes it, and one of another name is refused."""

from typing import Any, Final

from consumer.errors import ConfigError
from consumer.store.pool import Pool, transaction, translated

_ADOPT = "INSERT INTO heal_deployment (name) VALUES ($1) ON CONFLICT (one) DO NOTHING"

_READ = "SELECT name, named_at FROM heal_deployment"

_LIVE = "SELECT count(*) FROM heal_owner WHERE isfinite(lease_until) AND lease_until > clock_timestamp()"

_RENAME = """
INSERT INTO heal_deployment AS d (name) VALUES ($1)
ON CONFLICT (one) DO UPDATE SET name = excluded.name, named_at = clock_timestamp() WHERE d.name = $2
RETURNING name
"""

_HINT: Final = (
    "Two deployments on one database give up each other's failures. Give this one a database of its own. If it is the "
    "same deployment, and its topic or group has changed, keep its name with SHW_DEPLOYMENT, or stop all replicas and "
    "run `shw deployment rename --from '{}'`."
)


async def adopt_name(pool: Pool, name: str) -> None:
    """Write the deployment's name into a database that has none yet.

    Raises
    ------
    ConfigError
        The database serves a deployment of another name: names both.

    """
    with translated():
        await pool.execute(_ADOPT, name)
    row = await deployment_name(pool)
    if row is not None and row["name"] != name:
        raise ConfigError(
            f"The database serves the deployment '{row['name']}' since {row['named_at']:%Y-%m-%d}, and this one is "
            f"'{name}' (SHW_DEPLOYMENT, or the failures topic and the group). {_HINT.format(row['name'])}"
        )


async def deployment_name(pool: Pool) -> Any:  # noqa: ANN401 - asyncpg's record
    """Return the name and the time of its writing; None where no deployment has started yet."""
    with translated():
        return await pool.fetchrow(_READ)


async def rename(pool: Pool, name: str, *, before: str) -> bool:
    """Rename the deployment; returns False where the database's name is neither unset nor `before`.

    Raises
    ------
    ConfigError
        Replicas run: they would go on under the name before.

    """
    async with transaction(pool) as connection:
        live = await connection.fetchval(_LIVE)
        if live:
            raise ConfigError(
                f"{live} of its replicas run, or were killed less than SHW_HEAL__LEASE ago: stop them, and rename then"
            )
        return await connection.fetchval(_RENAME, name, before) is not None

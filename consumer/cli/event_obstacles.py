"""What stands in the way of a planned heal and in no plan: secrets, addresses, the wallet, pauses and breakers."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from consumer.catalog import Catalog
from consumer.model import Diagnosed, Failure, JsonObject, in_aud
from consumer.model.pause import pause_over, place_of
from consumer.outbound.allowed_hosts import Target, target_of
from consumer.outbound.credentials import references
from consumer.outbound.forbidden_addresses import denial, parse_address
from consumer.store.breakers import open_breakers
from consumer.store.ledger import read_wallet
from consumer.store.pauses import listed
from consumer.store.pool import Pool, transaction

_MICRO: Final = 1_000_000
_MANY: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something in the way of a heal."""

    about: str
    """secret, address, wallet, pause or breaker."""
    says: str
    mend: str
    is_final: bool = False
    """It would not be healed: neither later by itself, nor because the service knows more than this process."""

    def as_json(self) -> JsonObject:
        """Return it as JSON."""
        return {"about": self.about, "says": self.says, "mend": self.mend, "final": self.is_final}


def local_obstacles(failure: Failure, catalog: Catalog) -> Iterator[Obstacle]:
    """Yield what can be seen here: secrets that are not set in this environment, and addresses that are not dialled."""
    policy = catalog.policy(failure.workflow_name)
    for part in ("request", "resume"):
        asked: Any = failure.context.get(part)
        if not isinstance(asked, dict) or policy is None:
            continue
        headers: Any = asked.get("headers")
        pairs = [(name, str(said)) for name, said in headers.items()] if isinstance(headers, dict) else []
        for name in references(pairs):
            secret = catalog.secrets.get(name)
            if secret is not None and secret.env is not None and not os.environ.get(secret.env):
                says = f"secret://{name}: the variable {secret.env} is not set here; the service needs it"
                yield Obstacle(about="secret", says=says, mend=f"export {secret.env}=...")
        target = target_of(str(asked.get("url")), policy.hosts, failure.org_id)
        if isinstance(target, Target) and (why := _denied(target)) is not None:
            mend = f"list its network under `addresses` of the host {target.host} in the catalog"
            yield Obstacle(about="address", says=f"context.{part}.url: {why}", mend=mend, is_final=True)


def _denied(target: Target) -> str | None:
    try:
        address = parse_address(target.host)
    except ValueError:
        return None  # a name: it is resolved, and checked, when it is called
    return denial(address, target.networks)


async def stored_obstacles(pool: Pool, planned: Diagnosed) -> list[Obstacle]:
    """Return what the database knows: too little in the wallet, a pause over it, and an open breaker before it."""
    heal, org_id = planned.heal, planned.failure.org_id
    found: list[Obstacle] = []
    if heal.hold:
        pays_from, wallet = heal.intent.pays_from, await read_wallet(pool, org_id)
        left = 0 if wallet is None else int(wallet.budgets[pays_from] * _MICRO)
        says = "" if left >= heal.hold else f"{in_aud(left)} AUD is left in it, and the heal holds {in_aud(heal.hold)}"
        says = "there is none" if wallet is None else "; ".join(wallet.lockouts) or says
        if says:
            mend = f"shw wallet set {org_id} --{pays_from} AUD, or fill it where the platform does"
            found.append(Obstacle(about="wallet", says=f"the {pays_from} wallet: {says}", mend=mend, is_final=True))
    async with transaction(pool) as connection:
        stand = [one.pause for one in await listed(connection, within=None, is_whole=False, limit=_MANY)]
        unhealthy = await open_breakers(connection, heal.dependencies)
    now = datetime.now(UTC)
    if (pause := pause_over(place_of(planned), [one for one in stand if one.starts_at <= now])) is not None:
        found.append(Obstacle(about="pause", says=str(pause), mend=f"shw resume {pause.id} --reason ..."))
    for key in sorted(unhealthy):
        says = f"{key.removeprefix(f'dependency:{org_id}:')} is ill: it is called by one probe at a time"
        found.append(Obstacle(about="breaker", says=says, mend="it goes on by itself"))
    return found

"""Locked wallets: rows that another application holds; meanwhile few heals of their organisations are tried."""

import time
from collections.abc import Collection
from typing import Final

import structlog

from consumer.model import OrgId

log = structlog.get_logger(__name__)

REMEMBERED: Final = 3.0
"""Seconds after which a wallet that was not found locked again counts as free: heals are put off by about one."""
TRIED: Final = 3
"""Failures of such an organisation that one pick returns: one that starts says that the wallet is free again."""


class LockedWallets:
    """The organisations whose wallets were found locked; picking all of their failures each second would be in vain."""

    def __init__(self) -> None:
        self._found: dict[OrgId, float] = {}

    def __len__(self) -> int:
        return len(self._found)

    def note(self, locked: Collection[OrgId], started: Collection[OrgId] = ()) -> None:
        """Learn which organisations' heals were put off, and which have started."""
        now = time.monotonic()
        for org_id in started:
            if org_id not in locked:
                self._found.pop(org_id, None)
        for org_id in locked:
            if org_id not in self._found:
                log.warning("wallet_locked", org_id=str(org_id))
            self._found[org_id] = now
        for org_id in [one for one, at in self._found.items() if at < now - REMEMBERED]:
            del self._found[org_id]

    def room(self, org_id: OrgId, free: int) -> int:
        """Return how many failures of an organisation with so many free slots are worth a pick."""
        return min(free, TRIED) if org_id in self._found else free

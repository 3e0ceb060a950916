"""Rate limits of the API: a token bucket per address and per user, for a bounded number of them. Pure."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from ipaddress import IPv6Network, ip_address
from typing import Final

LINE_EVERY: Final = 30.0
"""Seconds between two log lines of one reason: a stranger must not fill the log."""
MOST_KEYS: Final = 20_000
"""Buckets kept; the one that was used longest ago goes first, and is full again when its owner comes back."""


@dataclass(slots=True, kw_only=True)
class RateLimit:
    """Token buckets: each key may spend `burst` at once, and `per_second` in the long run."""

    per_second: float
    burst: int
    most_keys: int = MOST_KEYS
    _buckets: OrderedDict[Hashable, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, key: Hashable, now: float) -> float:
        """Spend one token of a key; returns 0, or the seconds until there is one again (and spends nothing)."""
        tokens, since = self._buckets.pop(key, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + max(0.0, now - since) * self.per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self.per_second
        self._buckets[key] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > self.most_keys:
            self._buckets.popitem(last=False)
        return wait


def address_key(host: str) -> str:
    """Return what counts as one address: for IPv6 the network of 64 bits, which one host has to itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004 - the protocol's number
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))

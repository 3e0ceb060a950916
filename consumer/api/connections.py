"""Connections of the API: how many there may be, in all and of one address, and which one makes room for another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from consumer.api.rates import address_key

SPARE: Final = 8
"""Connections at the cap's end that serve probes and metrics alone, so that they are answered whatever else is."""
CLOSING_WITHIN: Final = 2.0
"""Seconds that a connection has to close once it was told to."""


class Connection(Protocol):
    """A connection as this table sees it."""

    @property
    def address(self) -> str:
        """The other side."""
        ...

    @property
    def idle_since(self) -> float | None:
        """When it began to wait for a request; None while one is under way, or its answer."""
        ...

    def abort(self) -> None:
        """Close it now, and free its descriptor."""
        ...

    def check(self, now: float) -> None:
        """End it where one of its phases has taken too long."""
        ...


@dataclass(slots=True, kw_only=True)
class ConnectionTable:
    """The open connections, below a cap in all and one for each address.

    At a cap the oldest connection without a request makes room, of the address itself or of the one
    that has most: a new one is worth more than an idle one, and whoever opens thousands only closes their own.
    """

    most: int
    most_of_address: int
    proxies: frozenset[str] = frozenset()
    """Addresses without a cap of their own: others are behind them."""
    closed_idle: int = 0
    """Connections that were closed to make room."""
    _open: dict[Connection, str] = field(default_factory=dict)
    _by_address: dict[str, dict[Connection, None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        """Yield the open connections, the oldest first; they may close meanwhile."""
        return iter(tuple(self._open))

    @property
    def has_spare_only(self) -> bool:
        """Whether so many requests are under way that only the spare connections are left."""
        limit = max(self.most - SPARE, self.most // 2)
        return len(self._open) > limit and sum(one.idle_since is None for one in self._open) > limit

    def add(self, connection: Connection) -> None:
        """Take a connection in."""
        key = address_key(connection.address)
        self._open[connection] = key
        self._by_address.setdefault(key, {})[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has closed."""
        key = self._open.pop(connection, None)
        if key is None:
            return
        del self._by_address[key][connection]
        if not self._by_address[key]:
            del self._by_address[key]

    def make_room(self, address: str, coming: Sequence[str] = ()) -> bool:
        """Close an idle connection where a new one of this address would be above a cap; False where none is idle.

        `coming` are the addresses of those that have been let in, and are not here yet.
        """
        of_address = self._by_address.get(address_key(address), {})
        if address not in self.proxies and len(of_address) + coming.count(address) >= self.most_of_address:
            return self._close_idle(of_address)
        if len(self._open) + len(coming) < self.most:
            return True
        crowded = max(self._by_address.values(), key=len, default=self._open)
        return self._close_idle(crowded) or self._close_idle(self._open)

    def _close_idle(self, among: Mapping[Connection, object]) -> bool:
        oldest = next((one for one in among if one.idle_since is not None), None)
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.abort()
        self.closed_idle += 1
        return True

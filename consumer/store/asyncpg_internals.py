"""Uses of asyncpg's private parts: kept in one place, and reviewed with every new version of the driver."""

from contextlib import suppress
from typing import TYPE_CHECKING

from asyncpg.protocol import protocol

if TYPE_CHECKING:
    from consumer.store.pool import Pool

_ARRAY_TYPES = (list, tuple, set, frozenset)


def take_only_plain_arrays() -> None:
    """Have the driver accept only lists, tuples and sets as arrays.

    By default it asks two ABCs about every element, which takes a twentieth of the process's time. A driver version
    that asks otherwise is left alone; it is slower, and as right.
    """
    if hasattr(protocol, "IterableABC") and hasattr(protocol, "SizedABC"):
        vars(protocol).update(IterableABC=_ARRAY_TYPES, SizedABC=_ARRAY_TYPES)


def expire_connections(pool: "Pool") -> None:
    """Have a pool replace every connection before it is used again, from now on and not a turn of the loop later.

    The pool's own method is a coroutine that awaits nothing.
    """
    with suppress(StopIteration):
        pool.expire_connections().send(None)

"""Uses of asyncpg's private parts: kept in one place, and reviewed with every new version of the driver."""

from asyncpg.protocol import protocol

_ARRAY_TYPES = (list, tuple, set, frozenset)


def take_only_plain_arrays() -> None:
    """Have the driver accept only lists, tuples and sets as arrays.

    By default it asks two ABCs about every element, which takes a twentieth of the process's time. A driver version
    that asks otherwise is left alone; it is slower, and as right.
    """
    if hasattr(protocol, "IterableABC") and hasattr(protocol, "SizedABC"):
        vars(protocol).update(IterableABC=_ARRAY_TYPES, SizedABC=_ARRAY_TYPES)

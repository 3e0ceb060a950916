"""What is reached of the driver beyond its promises: one place, looked at again with every new version of it."""

from asyncpg.protocol import protocol

_ARRAYS = (list, tuple, set, frozenset)


def take_only_plain_arrays() -> None:
    """Let only these count as arrays: the driver asks two ABCs about every element, a twentieth of our time.

    A driver that asks otherwise is left alone; it is slower, and as right.
    """
    if hasattr(protocol, "IterableABC") and hasattr(protocol, "SizedABC"):
        vars(protocol).update(IterableABC=_ARRAYS, SizedABC=_ARRAYS)

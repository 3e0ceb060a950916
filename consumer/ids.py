"""Ids that are made here: version 5, by name, of the database driver's own UUID type.

That type is a `uuid.UUID` in every way that shows, written in C: an id is hashed, compared, written out and sent some
sixty times on a failure's way, and with the standard library's that is 6 % of all that an event costs. Whoever makes no
id (a diagnosis on the command line) does not wait for the driver to be imported.
"""

from functools import cache
from hashlib import sha1
from uuid import UUID


@cache
def _type() -> type[UUID]:
    from asyncpg.pgproto import pgproto  # noqa: PLC0415 - see above

    found: type[UUID] = pgproto.UUID
    return found


def named(space: bytes, name: str) -> UUID:
    """Give the same as `uuid.uuid5` does for the namespace with these bytes."""
    digest = bytearray(sha1(space + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return _type()(bytes(digest))  # type: ignore[arg-type]  # the driver's takes bytes first


def drivers(given: UUID) -> UUID:
    """Give an equal id of the driver's type."""
    return _type()(given.bytes)  # type: ignore[arg-type]  # as above

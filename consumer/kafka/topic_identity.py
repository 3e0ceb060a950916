"""Which topic of its name it is: one that was deleted and made anew counts its offsets from 0 again.

An offset is a number alone, and fits the new topic as well as the old one: reading on from it passes records over.
So each commit carries the topic's id, as the broker gives it, and an offset of another topic counts for nothing.
"""

from io import BytesIO
from typing import Any, Final

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from schemas.value import value

_PREFIX: Final = "topic:"
_NO_ID: Final = "0" * 32


@value(frozen=True, slots=True, kw_only=True)
class Identity:
    """A topic as it is there now."""

    id: str
    partitions: int


def mark_of(topic_id: str) -> str:
    """Give what a commit says beside the offset."""
    return _PREFIX + topic_id


def is_of_another(said: str | None, topic_id: str) -> bool:
    """Tell whether an offset was committed for another topic; one that says nothing was set by an operator."""
    return said is not None and said.startswith(_PREFIX) and said != mark_of(topic_id)


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # the client has no types
    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value


class _Described(Response):  # type: ignore[misc]  # the client has no types
    """Version 10 of the answer: the client itself asks for one that has no ids."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Describe(RequestStruct):  # type: ignore[misc]  # the client has no types
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _Described
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _DescribeRequest(Request[_Describe]):  # type: ignore[misc]  # the client has no types
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_Describe]) -> _Describe:
        return request_struct_class([(bytes(16), self._topic, {})], False, False, False, {})


async def identity_of(client: Any, topic: str) -> Identity | None:  # noqa: ANN401 - the client has no types
    """Ask any broker which topic this is; None where there is none now, or the broker gives topics no ids."""
    node = client.get_random_node()
    if node is None:
        return None
    try:
        answer = await client.send(node, _DescribeRequest(topic))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    ((code, _, topic_id, _, partitions, *_),) = answer.topics
    if code != 0 or topic_id.hex() == _NO_ID:
        return None
    return Identity(id=topic_id.hex(), partitions=len(partitions))

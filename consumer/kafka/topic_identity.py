"""Topic identity: tells a topic from an earlier one of its name, whose committed offsets must not be used.

A topic that was deleted and recreated counts its offsets from 0 again. An offset alone fits the new topic as well as
the old one, and reading on from it skips records. So each commit carries the topic's id, as the broker sends it, and an
offset of another topic is ignored.
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
    """Id and number of partitions of a topic as it is now."""

    id: str
    partitions: int


def mark_of(topic_id: str) -> str:
    """Return the commit metadata that names a topic."""
    return _PREFIX + topic_id


def is_of_another(said: str | None, topic_id: str) -> bool:
    """Return whether an offset was committed for another topic; one without a mark was set by an operator."""
    return said is not None and said.startswith(_PREFIX) and said != mark_of(topic_id)


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # the client has no types
    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value


class _MetadataResponse(Response):  # type: ignore[misc]  # the client has no types
    """Metadata response, version 10: the client itself requests a version that has no topic ids."""

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


class _MetadataStruct(RequestStruct):  # type: ignore[misc]  # the client has no types
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
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


class _MetadataRequest(Request[_MetadataStruct]):  # type: ignore[misc]  # the client has no types
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class([(bytes(16), self._topic, {})], False, False, False, {})


async def identity_of(client: Any, topic: str) -> Identity | None:  # noqa: ANN401 - the client has no types
    """Ask any broker for the identity of a topic; None where it does not exist now, or the broker has no topic ids."""
    node = client.get_random_node()
    if node is None:
        return None
    try:
        answer = await client.send(node, _MetadataRequest(topic))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    ((code, _, topic_id, _, partitions, *_),) = answer.topics
    if code != 0 or topic_id.hex() == _NO_ID:
        return None
    return Identity(id=topic_id.hex(), partitions=len(partitions))

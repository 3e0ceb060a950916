"""The AsyncAPI 3.0 document: channels, messages and examples, from the models' JSON Schemas."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from schemas.envelope import Envelope, encode

VERSION: Final = "3.0.0"
CONTRACT_VERSION: Final = "1.0.0"
_BINDING: Final = "0.5.0"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKind:
    """One kind of message: its content type, its schemas and at least one example."""

    name: str
    content_type: str
    headers: Json
    payload: Json
    examples: tuple[Json, ...]

    @classmethod
    def of_events(cls, event_type: str, data: Json, events: Sequence[Envelope]) -> Self:
        """Describe a CloudEvent in structured mode around this data."""
        return cls(
            name=event_type,
            content_type="application/cloudevents+json",
            headers=_TRACE_HEADERS,
            payload=_event_schema(event_type, data),
            examples=tuple(_example(event) for event in events),
        )

    @classmethod
    def of_raw(cls, name: str, headers: Json, record: tuple[bytes, list[tuple[str, bytes]]]) -> Self:
        """Describe a record of any bytes, known by its headers alone."""
        value, carried = record
        example = {"headers": {name: content.decode() for name, content in carried}, "payload": value.decode()}
        return cls(
            name=name,
            content_type="application/octet-stream",
            headers=headers,
            payload={"type": "string", "format": "binary", "description": "The refused record's bytes."},
            examples=(example,),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One topic, seen from the healer."""

    name: str
    topic: str
    action: Literal["send", "receive"]
    key: str
    description: str
    messages: tuple[MessageKind, ...]


def asyncapi_document(channels: Sequence[Channel], definitions: Json) -> Json:
    """Assemble the document; `definitions` are the schemas that the messages' schemas refer to."""
    messages = {message.name: _message(message, channel) for channel in channels for message in channel.messages}
    document = {
        "asyncapi": VERSION,
        "info": {
            "title": "Self-Healing Workflows",
            "version": CONTRACT_VERSION,
            "description": "Workflow failures come in, verified heals go out. All events are CloudEvents 1.0.",
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {"kafka": _SERVER},
        "channels": {channel.name: _channel(channel) for channel in channels},
        "operations": {f"{channel.action}_{channel.name}": _operation(channel) for channel in channels},
        "components": {"messages": messages, "schemas": definitions},
    }
    plain: Json = _without_discriminators(document)
    return plain


_SERVER: Final = {
    "host": "{bootstrap}",
    "protocol": "kafka",
    "variables": {"bootstrap": {"description": "host:port of any broker", "default": "localhost:9092"}},
}
_TRACE_HEADERS: Final = {
    "type": "object",
    "properties": {
        "content-type": {"type": "string", "description": "Begins with application/cloudevents in structured mode."},
        "traceparent": {"type": "string", "description": "W3C trace context."},
        "tracestate": {"type": "string", "description": "W3C trace context."},
    },
}


def _channel(channel: Channel) -> Json:
    return {
        "address": channel.topic,
        "description": channel.description,
        "messages": {each.name: {"$ref": f"#/components/messages/{each.name}"} for each in channel.messages},
        "bindings": {"kafka": {"topic": channel.topic, "bindingVersion": _BINDING}},
    }


def _operation(channel: Channel) -> Json:
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.description,
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{each.name}"} for each in channel.messages],
    }


def _message(message: MessageKind, channel: Channel) -> Json:
    return {
        "name": message.name,
        "title": message.name,
        "contentType": message.content_type,
        "headers": message.headers,
        "payload": message.payload,
        "bindings": {
            "kafka": {"key": {"type": "string", "description": channel.key}, "bindingVersion": _BINDING},
        },
        "examples": list(message.examples),
    }


def _event_schema(event_type: str, data: Json) -> Json:
    text = {"type": "string", "minLength": 1, "maxLength": 2048}
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "description": "Unique within its source; a second delivery carries the same one."},
            "source": {**text, "description": "Who speaks, as a URI reference."},
            "type": {"const": event_type},
            "subject": text,
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string"},
            "traceparent": {"type": "string"},
            "tracestate": {"type": "string"},
            "data": data,
        },
    }


def _example(event: Envelope) -> Json:
    value, headers = encode(event)
    return {
        "name": str(event.id),
        "headers": {name: content.decode() for name, content in headers},
        "payload": json.loads(value),
    }


def _without_discriminators(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    # OpenAPI's discriminator object, which pydantic writes, is not AsyncAPI's; the const of each branch says the same.
    if isinstance(value, dict):
        return {
            name: _without_discriminators(item)
            for name, item in value.items()
            if not (name == "discriminator" and isinstance(item, dict) and "propertyName" in item)
        }
    return [_without_discriminators(item) for item in value] if isinstance(value, list) else value

"""How a network or a program carries a document: encoded again, in envelopes, with marks of its own around it."""

import html
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
Carrier: TypeAlias = Callable[[random.Random, Json], str | None]


def _encoded(rng: random.Random, document: Json) -> str:
    text = json.dumps(document)
    for _ in range(rng.randint(1, 2)):
        text = json.dumps(text)
    return text


def _escaped_without_quotes(_: random.Random, document: Json) -> str:
    return json.dumps(json.dumps(document))[1:-1]


def _byte_order_mark(_: random.Random, document: Json) -> str:
    return "\ufeff" + json.dumps(document)


def _odd_spaces(_: random.Random, document: Json) -> str:
    return json.dumps(document, indent=1).replace("\n ", "\n\u00a0")


def _guarded(rng: random.Random, document: Json) -> str:
    return rng.choice([")]}',\n", ")]}'\n", "for(;;);", "while(1);"]) + json.dumps(document)


def _callback(rng: random.Random, document: Json) -> str:
    return f"{rng.choice(['cb', 'jQuery17_99', '/**/handle'])}({json.dumps(document)});"


def _event(_: random.Random, document: Json) -> str:
    return f"event: message\ndata: {json.dumps(document)}\n\n"


def _record(_: random.Random, document: Json) -> str:
    return f"\x1e{json.dumps(document)}\n"


def _envelope(rng: random.Random, document: Json) -> str:
    return json.dumps({rng.choice(["data", "result", "payload", "response"]): document})


def _envelope_with_status(_: random.Random, document: Json) -> str:
    return json.dumps({"status": "ok", "request_id": "r-77", "data": document})


def _envelope_of_text(rng: random.Random, document: Json) -> str:
    return json.dumps({rng.choice(["body", "payload", "output"]): json.dumps(document)})


def _two_envelopes(_: random.Random, document: Json) -> str:
    return json.dumps({"response": {"data": document}})


def _tool_arguments(_: random.Random, document: Json) -> str:
    return json.dumps({"name": "save", "arguments": json.dumps(document)})


def _tool_use(_: random.Random, document: Json) -> str:
    return json.dumps(
        {"type": "function", "id": "call_1", "function": {"name": "save", "arguments": json.dumps(document)}}
    )


def _content_block(_: random.Random, document: Json) -> str:
    text = f"```json\n{json.dumps(document)}\n```"
    return json.dumps({"role": "assistant", "content": [{"type": "text", "text": text}]})


def _completion(_: random.Random, document: Json) -> str:
    message = {"role": "assistant", "content": json.dumps(document)}
    return json.dumps(
        {
            "id": "c1",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
    )


def _list_around(_: random.Random, document: Json) -> str | None:
    return json.dumps([document])


def _list_as_object(_: random.Random, document: Json) -> str | None:
    """PHP writes a list whose keys are no longer in order as an object of numbers."""
    return json.dumps({str(at): item for at, item in enumerate(document)}) if isinstance(document, list) else None


def _carriage_returns(_: random.Random, document: Json) -> str:
    return json.dumps(document, indent=2).replace("\n", "\r\n") + "\r\n,"


def _entities(_: random.Random, document: Json) -> str:
    return html.escape(json.dumps(document))


def _log_line(_: random.Random, document: Json) -> str:
    return f"2024-06-01T08:00:00Z INFO  outbound payload={json.dumps(document)}"


def _raw_response(_: random.Random, document: Json) -> str:
    text = json.dumps(document)
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}"


def _zeros_after(_: random.Random, document: Json) -> str:
    return json.dumps(document) + "\x00\x00"


CARRIERS: Final[Mapping[str, Carrier]] = {
    "encoded again": _encoded,
    "escaped, without quotes": _escaped_without_quotes,
    "byte order mark": _byte_order_mark,
    "odd spaces": _odd_spaces,
    "guarded": _guarded,
    "in a callback": _callback,
    "as a server-sent event": _event,
    "as a record of a sequence": _record,
    "in an envelope": _envelope,
    "in an envelope with a status": _envelope_with_status,
    "as text in an envelope": _envelope_of_text,
    "in two envelopes": _two_envelopes,
    "as a tool's arguments": _tool_arguments,
    "as a call of a function": _tool_use,
    "in a content block": _content_block,
    "in a completion": _completion,
    "in a list": _list_around,
    "a list as an object": _list_as_object,
    "carriage returns, and a comma": _carriage_returns,
    "entities for quotes": _entities,
    "in a line of a log": _log_line,
    "behind its headers": _raw_response,
    "zeros after it": _zeros_after,
}
"""Each gives a text that has the document as its one meaning; None where it does not apply."""

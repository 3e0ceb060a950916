"""A scripted server of OpenAI's wire: it answers as told, bounds its replies as asked, and counts what it charges.

A token is four bytes here. What it has worked for it charges, whether or not its answer arrives.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from tests.support.worlds.http_world import Reply, Seen, World, json_reply

PATH: Final = "/v1/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One reply of the model: a text, or calls of tools; `tokens` is how long it is, where that is not its length."""

    text: str | None = None
    tools: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    tokens: int | None = None
    usage: bool = True


def uses(tool: str, **arguments: Any) -> Said:  # noqa: ANN401 - JSON is anything
    """A reply that calls one tool."""
    return Said(tools=((tool, arguments),))


Talk: TypeAlias = Callable[[int, Mapping[str, Any]], Said | Reply]
"""What is said to the n-th request (from 1), by its body."""


@dataclass(slots=True, kw_only=True)
class ChatWorld:
    """The model's server, on a world's port."""

    world: World
    talk: Talk = lambda _, __: Said(text="yes")
    after: float = 0.0
    """Seconds that each answer takes."""
    charged: int = 0
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    mishap: Callable[[int, Reply], Reply] = lambda _, reply: reply
    """What becomes of the n-th answer on its way."""

    def __post_init__(self) -> None:
        self.world.on(PATH, self._answer)

    @property
    def api(self) -> str:
        return self.world.url("/v1")

    def _answer(self, _: int, seen: Seen) -> Reply:
        body = json.loads(seen.body)
        self.asked.append(body)
        n = len(self.asked)
        said = self.talk(n, body)
        if isinstance(said, Reply):
            return said
        prompt = len(seen.body) // 4
        most = body.get("max_completion_tokens", body.get("max_tokens", 100_000))
        length = said.tokens if said.tokens is not None else len(json.dumps([said.text, said.tools])) // 4
        reply = min(length, most)
        self.charged += prompt + reply
        return self.mishap(n, json_reply(completion(said, prompt, reply, cut=length > most), after=self.after))


def completion(said: Said, prompt: int, reply: int, *, cut: bool = False) -> dict[str, Any]:
    """The answer's body."""
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(said.tools)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    finish = "length" if cut else "tool_calls" if calls else "stop"
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [
            {"index": 0, "message": message | ({"tool_calls": calls} if calls else {}), "finish_reason": finish}
        ],
    }
    usage = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
    return body | ({"usage": usage} if said.usage else {})


def lost(_: int, reply: Reply) -> Reply:
    """Have every answer lost on its way: its work is done, and charged."""
    return replace(reply, drop=True)

"""A dependency and what may stand in for it, as real HTTP servers: the first dies and recovers, a candidate may lie."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.worlds.http_world import Reply, Seen, World, json_reply

DEAD = Reply(status=503, body=b"upstream unavailable", effect=False)
SCHEMA = {
    "type": "object",
    "required": ["text", "currency"],
    "properties": {"text": {"type": "string", "minLength": 1}, "currency": {"const": "AUD"}},
}
QUICK = {"eject": "PT1S", "steady": "PT0.5S", "lease": "PT5S", "probe_every": "PT0.1S", "shun": "PT2S"}


@dataclass(slots=True, kw_only=True)
class Providers:
    """The first at `/first`, candidates at `/second` and `/third`, all on one server."""

    world: World
    dead: bool = False
    answers: dict[str, Callable[[Seen], Reply]] = field(default_factory=dict)
    """What a place answers in place of a good answer."""

    def __post_init__(self) -> None:
        for place in ("first", "second", "third"):
            self.world.on(f"/{place}/translate", self._answer(place))
            self.world.on(f"/{place}/health", self._health(place))

    def _answer(self, place: str) -> Callable[[int, Seen], Reply]:
        def answer(_: int, seen: Seen) -> Reply:
            if place == "first" and self.dead:
                return DEAD
            return self.answers.get(place, translated)(seen)

        return answer

    def _health(self, place: str) -> Callable[[int, Seen], Reply]:
        return lambda _, __: DEAD if place == "first" and self.dead else json_reply({"status": "ok"})

    def catalog(self, *, binding: dict[str, str] | None = None, candidates: str | None = None, **more: str) -> str:
        """A catalog in which `second`, and then `third`, may stand in for the first."""
        times = ", ".join(f"{name}: {span}" for name, span in (QUICK | (binding or {})).items())
        named = candidates or "\n".join(self.candidate(name) for name in ("second", "third"))
        rules = "".join(f"    {name}: {value}\n" for name, value in more.items())
        return f"""version: 1
sources:
- {{source: '*', organisations: '*'}}
workflows:
- name: '*'
  hosts: [{{host: 127.0.0.1, ports: [{self.world.port}], schemes: [http], addresses: [127.0.0.0/8]}}]
  attempts: 3
  backoff: PT0.1S
  auto_retry: {{tries: 1, timeout: PT5S, base: PT0.01S}}
  dependencies: [translate]
dependencies:
  translate:
    url: {self.world.url("/first")}
    health: {{url: "{self.world.url("/first/health")}"}}
    contract: {{answer: {json.dumps(SCHEMA)}}}
    binding: {{{times}}}
{rules}    candidates:
{named}
"""

    def candidate(self, name: str, **more: str) -> str:
        """A candidate with the same wire."""
        others = "".join(f"\n      {key}: {value}" for key, value in more.items())
        return (
            f"    - name: {name}\n      url: {self.world.url(f'/{name}')}\n"
            f'      probe: {{url: "{self.world.url(f"/{name}/health")}"}}{others}'
        )

    def called(self, place: str) -> int:
        """How often a place was asked to translate."""
        return len(self.world.calls(f"/{place}/translate"))

    def looks(self, place: str) -> int:
        """How often a place was asked for its health."""
        return len(self.world.calls(f"/{place}/health"))


def translated(seen: Seen) -> Reply:
    """A good answer."""
    return json_reply({"text": f"translated {json.loads(seen.body)['q']}", "currency": "AUD"})

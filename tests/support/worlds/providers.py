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
QUICK = {"eject": "PT1S", "steady": "PT0.5S", "lease": "PT30S", "probe_every": "PT0.1S", "shun": "PT2S"}


@dataclass(slots=True, kw_only=True)
class Providers:
    """The first at `/first`, candidates at `/second` and `/third`, all on one server."""

    world: World
    dead: bool = False
    dies_when: Callable[[], bool] | None = None
    to_dead: int = 0
    """Calls, other than looks, that came to the first while it was dead."""
    answers: dict[str, Callable[[Seen], Reply]] = field(default_factory=dict)
    """What a place answers in place of a good answer."""

    def __post_init__(self) -> None:
        for place in ("first", "second", "third", "fourth", "fifth"):
            self.world.on(f"/{place}/translate", self._answer(place))
            self.world.on(f"/{place}/health", self._health(place))

    def _answer(self, place: str) -> Callable[[int, Seen], Reply]:
        def answer(_: int, seen: Seen) -> Reply:
            if place == "first" and self.is_dead:
                self.to_dead += 1
                return DEAD
            return self.answers.get(place, translated)(seen)

        return answer

    def _health(self, place: str) -> Callable[[int, Seen], Reply]:
        return lambda _, __: DEAD if place == "first" and self.is_dead else json_reply({"status": "ok"})

    @property
    def is_dead(self) -> bool:
        """Whether the first is dead now."""
        return self.dead if self.dies_when is None else self.dies_when()

    def most_looks_at_once(self, place: str) -> int:
        """How many looks at a place were under way at once, at the most."""
        spans = [one for one in self.world.spans if one.seen.path == f"/{place}/health"]
        return max(sum(a.begin <= b.begin < a.end for a in spans) for b in spans)

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
  auto_retry: {{tries: 1, timeout: PT30S, base: PT0.01S}}
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

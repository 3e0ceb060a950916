"""The services of the demo's world, each with one way of going wrong."""

from collections import Counter
from http import HTTPStatus
from typing import Final

from consumer.demo.world import Cut, EffectRecord, Ending, Service, Silence, WorldCall, WorldReply
from consumer.model import Json

TIMEOUTS: Final = 2
DEAD: Final = ("archive",)
"""Nobody listens there any more."""


class Recovering:
    """Accepts and does not answer the first calls about a subject; then it works again."""

    def __init__(self, silences: int) -> None:
        self._silences = silences
        self._asked: Counter[str] = Counter()

    def __call__(self, call: WorldCall, _record: EffectRecord) -> Ending:
        """Answer what was asked, or not at all."""
        self._asked[call.subject] += 1
        if self._asked[call.subject] <= self._silences:
            return Silence()
        return WorldReply(body={"reference": call.subject, "hits": [{"id": "p-1", "title": "A lamp"}]})


class Keyed:
    """Performs an effect once for each idempotency key; the first answer of each key may get lost on its way."""

    def __init__(self, lost_answer: Silence | Cut | None = None) -> None:
        self._lost_answer = lost_answer
        self._done: set[str] = set()

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Do it, unless it was done under this key; a call without a key is always done."""
        done = WorldReply(status=HTTPStatus.CREATED, body={"reference": call.subject, "state": "booked"})
        if call.key in self._done:
            return done
        record.perform(call)
        if call.key:
            self._done.add(call.key)
        return self._lost_answer or done


class Unkeyed:
    """Performs an effect for every call: whoever calls twice has it twice."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Do it."""
        record.perform(call)
        return self._ending


class Throttled:
    """Refuses the first call about a subject with a time to wait; then it works."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._asked: Counter[str] = Counter()

    def __call__(self, call: WorldCall, _record: EffectRecord) -> Ending:
        """Answer, or say when to come back."""
        self._asked[call.subject] += 1
        if self._asked[call.subject] == 1:
            return WorldReply(
                status=HTTPStatus.TOO_MANY_REQUESTS,
                body={"reference": call.subject},
                headers=(("Retry-After", str(self._seconds)),),
            )
        return WorldReply(body={"reference": call.subject, "rate": 1.52})


class Liar:
    """Says 200 to everything, whatever is wrong."""

    def __init__(self, body: Json) -> None:
        self._body = body

    def __call__(self, _call: WorldCall, _record: EffectRecord) -> Ending:
        """Lie."""
        return WorldReply(body=self._body)


class Runs:
    """Takes recovered answers, so that runs go on: once for each hand-over, however often it arrives."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Let the run go on."""
        if call.key not in self._taken:
            self._taken.add(call.key)
            record.perform(call)
        return WorldReply(status=HTTPStatus.ACCEPTED, body={"run": call.subject, "state": "executing"})


class Engine:
    """Runs steps of workflows: again once for each key, with the input that it is given, and only if that is right."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._looks: Counter[str] = Counter()
        self._well: dict[str, bool] = {}

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Take an order, or say where the run stands: failed, then running, then at its end."""
        run = call.path.split("/")[2]
        if call.method == "GET":
            return WorldReply(body={"state": self._state(run)})
        if call.key not in self._keys:
            self._keys.add(call.key)
            record.perform(call)
            given = call.body.get("input")
            self._well[run] = isinstance(given, dict) and isinstance(given.get("amount"), int)
        return WorldReply(status=HTTPStatus.ACCEPTED, body={"run": run})

    def _state(self, run: str) -> str:
        if run not in self._well:
            return "failed"
        self._looks[run] += 1
        if self._looks[run] == 1:
            return "running"
        return "done" if self._well[run] else "failed"


def demo_services() -> dict[str, Service]:
    """Give the services of a new world."""
    return {
        "search": Recovering(TIMEOUTS),
        "orders": Keyed(Cut()),
        "transfers": Keyed(Silence()),
        "notifications": Unkeyed(WorldReply(status=HTTPStatus.ACCEPTED, body={"state": "sent"})),
        "receipts": Unkeyed(Silence()),
        "texts": Unkeyed(Silence()),
        "rates": Throttled(1),
        "quotas": Throttled(4),
        "prices": Liar({"error": "no price list is loaded"}),
        "stock": Liar({"items": "many"}),
        "runs": Runs(),
        "labels": Keyed(),
        "engine": Engine(),
    }

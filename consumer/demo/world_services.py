"""Services of the demo's world, each with one failure mode."""

from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Final

from consumer.demo.billing import LEDGER, PROCESSOR, billing_services
from consumer.demo.orders import SERVICE as ORDERS
from consumer.demo.orders import OrderBook
from consumer.demo.rewrites import SERVICE as BOOKINGS
from consumer.demo.rewrites import Bookings
from consumer.demo.scripted_model import NAME as MODEL
from consumer.demo.scripted_model import ScriptedModel
from consumer.demo.stalls import SERVICE as STALLS
from consumer.demo.stalls import StallEngine
from consumer.demo.studio import Shelf, Studio
from consumer.demo.translations import FIRST, SECOND, Translating
from consumer.demo.world import Cut, EffectRecord, Ending, Service, Silence, WorldCall, WorldReply
from consumer.model import Json

TIMEOUTS: Final = 2
DEAD: Final = ("archive",)
"""Services whose port refuses connections."""


class Recovering:
    """Accepts the first calls about a subject without a reply; then it works again."""

    def __init__(self, silences: int) -> None:
        self._silences = silences
        self._calls: Counter[str] = Counter()

    def __call__(self, call: WorldCall, _record: EffectRecord) -> Ending:
        """Reply, or leave the call unanswered."""
        self._calls[call.subject] += 1
        if self._calls[call.subject] <= self._silences:
            return Silence()
        return WorldReply(body={"reference": call.subject, "hits": [{"id": "p-1", "title": "A lamp"}]})


class Keyed:
    """Performs an effect once per idempotency key; the first reply for each key may be lost."""

    def __init__(self, lost_answer: Silence | Cut | None = None) -> None:
        self._lost_answer = lost_answer
        self._performed_keys: set[str] = set()

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Perform the effect unless its key is known; a call without a key is always performed."""
        done = WorldReply(status=HTTPStatus.CREATED, body={"reference": call.subject, "state": "booked"})
        if call.key in self._performed_keys:
            return done
        record.perform(call)
        if call.key:
            self._performed_keys.add(call.key)
        return self._lost_answer or done


class Unkeyed:
    """Performs an effect for every call: not idempotent, a second call has a second effect."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Perform the effect."""
        record.perform(call)
        return self._ending


class Throttled:
    """Rate-limits the first call about a subject (429 with Retry-After); then it works."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._calls: Counter[str] = Counter()

    def __call__(self, call: WorldCall, _record: EffectRecord) -> Ending:
        """Reply, or refuse with Retry-After."""
        self._calls[call.subject] += 1
        if self._calls[call.subject] == 1:
            return WorldReply(
                status=HTTPStatus.TOO_MANY_REQUESTS,
                body={"reference": call.subject},
                headers=(("Retry-After", str(self._seconds)),),
            )
        return WorldReply(body={"reference": call.subject, "rate": 1.52})


class Liar:
    """Answers 200 to everything, even with an error in the body."""

    def __init__(self, body: Json) -> None:
        self._body = body

    def __call__(self, _call: WorldCall, _record: EffectRecord) -> Ending:
        """Reply 200 with the fixed body."""
        return WorldReply(body=self._body)


class Runs:
    """Receives recovered answers, so that runs continue: once per hand-over, however often it is delivered."""

    def __init__(self) -> None:
        self._delivered_keys: set[str] = set()

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Continue the run, once per key."""
        if call.key not in self._delivered_keys:
            self._delivered_keys.add(call.key)
            record.perform(call)
        return WorldReply(status=HTTPStatus.ACCEPTED, body={"run": call.subject, "state": "executing"})


class Engine:
    """Workflow engine: reruns a step once per key, with the given input, and succeeds only if that is valid."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._polls: Counter[str] = Counter()
        self._valid: dict[str, bool] = {}

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Accept a rerun, or report the run's state: failed, then running, then its final one."""
        run = call.path.split("/")[2]
        if call.method == "GET":
            return WorldReply(body={"state": self._state(run)})
        if call.key not in self._keys:
            self._keys.add(call.key)
            record.perform(call)
            given = call.body.get("input")
            self._valid[run] = isinstance(given, dict) and isinstance(given.get("amount"), int)
        return WorldReply(status=HTTPStatus.ACCEPTED, body={"run": run})

    def _state(self, run: str) -> str:
        if run not in self._valid:
            return "failed"
        self._polls[run] += 1
        if self._polls[run] == 1:
            return "running"
        return "done" if self._valid[run] else "failed"


def demo_services(folder: Path | None = None) -> dict[str, Service]:
    """Return the services of a new world; the files that it keeps lie in `folder`, too."""
    processor, ledger = billing_services()
    return {
        ORDERS: OrderBook(),
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
        STALLS: StallEngine(),
        "studio": Studio(),
        "shelf": Shelf(folder),
        FIRST: Translating(),
        SECOND: Translating(),
        PROCESSOR: processor,
        LEDGER: ledger,
        BOOKINGS: Bookings(),
        MODEL: ScriptedModel(),
    }

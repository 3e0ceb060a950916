"""A processor that speaks as Stripe does, and a platform whose webhooks went missing: both keep what they did.

`BillingWorld` answers requests as values; `DirectCalls` asks it without a socket, `on_http` puts it behind a server.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from consumer.catalog import WorkflowPolicy
from consumer.model.call import Answer, CallResult, OutboundRequest
from tests.support.healing import NOW
from tests.support.worlds.http_world import Reply, Script, Seen, World

Doc: TypeAlias = dict[str, Any]
KEY: Final = "sk_test_world"
VERSIONS: Final = ("2022-11-15", "2024-06-20", "2026-10-28")
OLD: Final = VERSIONS[0]
CURRENCIES: Final = tuple(
    """
    aed aud bgn brl cad chf cny czk dkk eur gbp hkd huf idr ils inr mxn myr nok nzd php pln ron sek sgd thb try usd zar
    clp jpy krw vnd xaf xof pyg bhd jod kwd omr tnd
    """.split()  # noqa: SIM905 - a table to be read
)
"""With two decimals, then without, then with three."""
PATHS: Final = {"invoices": "invoice", "customers": "customer", "subscriptions": "subscription", "refunds": "refund"}
WINDOW: Final = timedelta(days=30)
_NOT_FOUND: Final = {
    "error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such object"}
}


@dataclass(slots=True, kw_only=True)
class BillingWorld:
    """Both sides, and what may go wrong with them."""

    now: Callable[[], datetime] = lambda: NOW
    events: list[Doc] = field(default_factory=list)
    """In the order in which they were made."""
    objects: dict[str, Doc] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    undelivered: set[str] = field(default_factory=set)
    has: dict[str, Doc] = field(default_factory=dict)
    """Objects as the platform has them."""
    applied: Counter[str] = field(default_factory=Counter)
    """How often the platform has applied each event."""
    given: Counter[str] = field(default_factory=Counter)
    """How often its handler was called for each."""
    extra: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Further lines of the platform's ledger: customer, currency, period, minor units."""
    dedupes: bool = True
    """Its handler knows an event again by its id."""
    poisoned: set[str] = field(default_factory=set)
    lies: Callable[[Doc], Doc | None] | None = None
    """What its handler makes of an object in place of keeping it; None: nothing, and it answers 200."""
    beside: Callable[[], None] | None = None
    """Called at each request: what else happens at both sides."""
    throttles: Callable[[int], bool] = lambda _: False
    """Whether the processor answers the n-th request by 429."""
    requests: int = 0
    slow: float = 0.0
    """Seconds after which its handler answers, on a real server."""
    down: set[str] = field(default_factory=set)
    """Sides that answer 503."""
    made: int = 0
    shown: dict[str, Doc] = field(default_factory=dict)
    """What its handler was given with each event, last."""

    # What happens at the processor

    def change(
        self, kind: str, object_id: str, at: datetime, event_type: str, *, missed: bool = False, **to: object
    ) -> str:
        """Change an object, or make it; tell the platform, or miss to."""
        created = int(at.timestamp())
        known = self.objects.get(object_id, {"id": object_id, "object": kind, "created": created})
        self.objects[object_id] = known | to
        self.deleted.discard(object_id)
        return self._tell(self.objects[object_id], created, event_type, missed=missed)

    def delete(self, object_id: str, at: datetime, *, missed: bool = False) -> str:
        """Delete an object."""
        gone = self.objects.pop(object_id)
        self.deleted.add(object_id)
        return self._tell(gone, int(at.timestamp()), f"{gone['object']}.deleted", missed=missed, deleted=True)

    def _tell(self, pictured: Doc, created: int, event_type: str, *, missed: bool, deleted: bool = False) -> str:
        self.made += 1
        event_id, version = f"evt_{self.made:06}", VERSIONS[self.made % len(VERSIONS)]
        picture = dict(pictured)
        if version == OLD and "amount_paid" in picture:
            picture["total_paid"] = str(picture.pop("amount_paid"))  # another version has another form
        self.events.append(
            {
                "id": event_id,
                "object": "event",
                "api_version": version,
                "created": created,
                "type": event_type,
                "data": {"object": picture},
                "livemode": False,
                "pending_webhooks": int(missed),
                "request": {"id": None, "idempotency_key": None},
            }
        )
        if missed:
            self.undelivered.add(event_id)
        else:
            self.applied[event_id] += 1
            self._put(pictured["id"], None if deleted else dict(pictured))
        return event_id

    def redeliver(self, event_id: str) -> None:
        """Deliver a missed event after all, as the processor's own retries do: with what it is about as it is now."""
        event = next(one for one in self.events if one["id"] == event_id)
        if not self.applied[event_id]:
            self.applied[event_id] += 1
            about = event["data"]["object"]["id"]
            self._put(about, self.objects.get(about))
        self.undelivered.discard(event_id)

    def _put(self, object_id: str, document: Doc | None) -> None:
        if document is None or document.get("deleted"):
            self.has.pop(object_id, None)
        else:
            self.has[object_id] = dict(document)

    # What is true

    def missing(self) -> set[str]:
        """The undelivered events that the platform has not."""
        return {one for one in self.undelivered if not self.applied[one]}

    @property
    def theirs(self) -> Counter[tuple[str, str, str]]:
        """The processor's sums."""
        return _sums(self.objects)

    @property
    def ours(self) -> Counter[tuple[str, str, str]]:
        """The platform's."""
        sums = _sums(self.has)
        for customer, currency, period, units in self.extra:
            sums[customer, currency, period] += units
        return sums

    def is_in_step(self) -> bool:
        """Whether both sides have the same, to the last minor unit, in the same state."""
        states = {one: doc for one, doc in self.objects.items() if self.has.get(one) != doc}
        return not states and not (self.has.keys() - self.objects.keys()) and +self.theirs == +self.ours

    # What is answered

    def answer(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Return status, JSON and headers."""
        self.requests += 1
        if self.beside is not None:
            self.beside()
        split = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        steps = [unquote(step) for step in split.path.split("/")[1:]]
        side, rest = steps[0], steps[1:]
        if {"v1": "processor"}.get(side, side) in self.down:
            return 503, {"error": "down"}, {}
        if side == "v1":
            if headers.get("authorization") != f"Bearer {KEY}":
                return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}, {}
            if self.throttles(self.requests):
                return 429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}, {"retry-after": "0"}
            return *self._processor(rest, query), {"request-id": f"req_{self.requests}"}
        return *self._platform(method, rest, query, body), {}

    def _processor(self, steps: list[str], query: dict[str, str]) -> tuple[int, Any]:
        if steps == ["events"]:
            return self._listed("events", self._listed_events(query), query)
        kind = PATHS.get(steps[0])
        if kind is None:
            return 404, {"error": {"type": "invalid_request_error", "message": "Unrecognized request URL"}}
        if len(steps) == 1:
            found = [one for one in self.objects.values() if one["object"] == kind and _within(one, query)]
            if kind == "subscription" and query.get("status") != "all":
                found = [one for one in found if one["status"] != "canceled"]
            found.sort(key=lambda one: (one["created"], one["id"]), reverse=True)
            return self._listed(steps[0], found, query)
        if (one := self.objects.get(steps[1])) is not None:
            return 200, one
        if steps[1] in self.deleted and kind == "customer":
            return 200, {"id": steps[1], "object": kind, "deleted": True}
        return 404, _NOT_FOUND

    def _listed_events(self, query: dict[str, str]) -> list[Doc]:
        oldest = int((self.now() - WINDOW).timestamp())
        found = [one for one in reversed(self.events) if one["created"] >= oldest and _within(one, query)]
        if query.get("delivery_success") == "false":
            found = [one for one in found if one["id"] in self.undelivered]
        return sorted(found, key=lambda one: one["created"], reverse=True)  # stable: those of a second by their making

    def _listed(self, path: str, found: list[Doc], query: dict[str, str]) -> tuple[int, Any]:
        limit = int(query.get("limit", "10"))
        if not 1 <= limit <= 100:
            return 400, {"error": {"type": "invalid_request_error", "param": "limit"}}
        if after := query.get("starting_after"):
            place = next((n for n, one in enumerate(found) if one["id"] == after), None)
            if place is None:
                return 400, _NOT_FOUND
            found = found[place + 1 :]
        page: Doc = {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": f"/v1/{path}"}
        page["next"] = found[limit - 1]["id"] if page["has_more"] else None  # for the account that is described
        return 200, page

    def _platform(self, method: str, steps: list[str], query: dict[str, str], body: bytes) -> tuple[int, Any]:
        match method, steps:
            case "GET", ["events", event_id]:
                return (200, {"id": event_id}) if self.applied[event_id] else (404, {"error": "not here"})
            case "GET", ["objects", object_id]:
                one = self.has.get(object_id)
                return (404, {"error": "not here"}) if one is None else (200, one)
            case "POST", ["webhooks"]:
                return self._handle(json.loads(body))
            case "PUT", ["objects", object_id]:
                self._put(object_id, json.loads(body)["object"])
                return 200, {}
            case "GET", ["totals"]:
                return self._totals(query)
            case _:
                return 404, {"error": "no such path"}

    def _handle(self, body: Doc) -> tuple[int, Any]:
        event, newest = body["event"], body["object"]
        self.given[event["id"]] += 1
        self.shown[event["id"]] = newest
        if event["id"] in self.poisoned:
            return 500, {"error": "the handler broke"}
        if self.dedupes and self.applied[event["id"]]:
            return 200, {"received": True}
        kept = newest if self.lies is None else self.lies(newest)
        if kept is not None:
            self.applied[event["id"]] += 1
            if "id" in newest:
                self._put(newest["id"], kept)
        return 200, {"received": True}

    def _totals(self, query: dict[str, str]) -> tuple[int, Any]:
        rows = [
            {"customer": customer, "currency": currency, "period": period, "amount": units}
            for (customer, currency, period), units in sorted(self.ours.items())
        ]
        begin = int(query.get("cursor") or 0)
        following = begin + 200
        return 200, {"rows": rows[begin:following], "next": str(following) if following < len(rows) else None}


def _sums(objects: dict[str, Doc]) -> Counter[tuple[str, str, str]]:
    sums: Counter[tuple[str, str, str]] = Counter()
    for one in objects.values():
        if one["object"] in ("invoice", "refund"):
            units = one.get("amount_paid", 0) if one["object"] == "invoice" else -one["amount"]
            period = datetime.fromtimestamp(one["created"], UTC).strftime("%Y-%m")
            sums[one["customer"], one["currency"], period] += units
    return sums


def _within(one: Doc, query: dict[str, str]) -> bool:
    at = int(one["created"])
    return int(query.get("created[gte]") or at) <= at <= int(query.get("created[lte]") or at)


def generated(
    n: int, seed: int, *, now: datetime = NOW, missed: float = 0.1, clean: bool = False, clock: bool = False
) -> BillingWorld:
    """A month of n events: every tenth missed, out of order, several in one second, versions mixed, objects deleted."""
    random = Random(seed)
    world = BillingWorld() if clock else BillingWorld(now=lambda: now)
    begins = now - WINDOW
    span = int(WINDOW.total_seconds())
    moments = sorted(random.randrange(span + 1) for _ in range(n))
    # On the border itself, and one second outside; and some in the same second.
    moments[:3] = [0, 0, 1]
    moments[n // 2 : n // 2 + 5] = [moments[n // 2]] * 5
    customers = [f"cus_{k:04}" for k in range(max(3, n // 50))]
    for customer in customers:
        world.change("customer", customer, begins - timedelta(seconds=1), "customer.created", name=customer)
    alive: list[str] = []
    for k, seconds in enumerate(moments):
        at, miss = begins + timedelta(seconds=seconds), not clean and random.random() < missed
        dice = random.random()
        if dice < 0.05 and len(alive) > 3:
            world.delete(alive.pop(random.randrange(len(alive))), at, missed=miss)
        elif dice < 0.3 and alive:
            one = random.choice(alive)
            status = random.choice(("paid", "uncollectible", "void"))
            world.change("invoice", one, at, "invoice.updated", missed=miss, status=status)
            if random.random() < 0.2:  # told twice, by two events of one second
                world.change("invoice", one, at, "invoice.updated", missed=miss, status=status)
        elif dice < 0.4:
            canceled = random.choice(("active", "canceled"))
            name = f"sub_{random.randrange(max(1, n // 20)):04}"
            world.change("subscription", name, at, "customer.subscription.updated", missed=miss, status=canceled)
        else:
            amount = random.choice((random.randrange(10**5), 10**15 - random.randrange(10**3)))
            own = {"customer": random.choice(customers), "currency": random.choice(CURRENCIES)}
            world.change(
                "invoice", f"in_{k:05}", at, "invoice.paid", missed=miss, amount_paid=amount, status="paid", **own
            )
            alive.append(f"in_{k:05}")
    return world


def billing_catalog(
    base: str, port: int, *, approval: str = "", kind: str = "stripe", entry: str = "", **more: str
) -> str:
    """A catalog with one billing account, both of whose sides are at one address."""
    further = "".join(f"    {name}: {value}\n" for name, value in more.items())
    return f"""version: 1
sources:
- {{source: '*', organisations: '*', workflows: '*'}}
secrets:
  BILLING_KEY: {{env: BILLING_KEY, hosts: [127.0.0.1], methods: [GET], paths: ['/v1/**'], headers: [authorization]}}
workflows:
- name: '*'
  hosts: [{{host: 127.0.0.1, ports: [{port}], schemes: [http], addresses: [127.0.0.0/8]}}]
  secrets: [BILLING_KEY]
  attempts: 2
  backoff: PT0.1S
  auto_retry: {{tries: 1, timeout: PT5S, base: PT0.01S, throttled_base: PT0.01S}}
  billing: [main]
{approval}{entry}billing:
  main:
{ACCOUNTS[kind].replace("BASE", base)}{further}    settle: PT0.05S
    compare: [{{theirs: /status, ours: /status}}, {{theirs: /amount_paid, ours: /amount_paid}}]
    platform:
      event: {{url: "{base}/platform/events/{{event_id}}"}}
      object: {{url: "{base}/platform/objects/{{object_id}}"}}
      apply:
        url: "{base}/platform/webhooks"
        headers: {{idempotency-key: "{{event_id}}"}}
        body: {{event: "{{event}}", object: "{{object}}"}}
      refresh:
        url: "{base}/platform/objects/{{object_id}}"
        method: PUT
        headers: {{idempotency-key: "{{key}}"}}
        body: {{object: "{{object}}"}}
      totals:
        url: "{base}/platform/totals?since={{since}}&cursor={{cursor}}"
        items: /rows
        next: /next
        customer: /customer
        currency: /currency
        period: /period
        amount: /amount
"""


ACCOUNTS: Final = {
    "stripe": """    kind: stripe
    url: BASE
    headers: {authorization: "Bearer secret://BILLING_KEY"}
    sums:
      invoice: {amount: /amount_paid}
      refund: {amount: /amount, minus: true}
""",
    "http": """    kind: http
    events:
      url: "BASE/v1/events?limit=100&delivery_success=false&created%5Bgte%5D={since}&starting_after={cursor}"
      headers: {authorization: "Bearer secret://BILLING_KEY"}
      items: /data
      next: /next
      id: /id
      created: /created
      type: /type
      object_id: /data/object/id
      object_type: /data/object/object
    object: {url: "BASE/v1/{object_type}s/{object_id}", headers: {authorization: "Bearer secret://BILLING_KEY"}}
    sums:
      invoice:
        url: "BASE/v1/invoices?limit=100&created%5Bgte%5D={since}&starting_after={cursor}"
        headers: {authorization: "Bearer secret://BILLING_KEY"}
        items: /data
        next: /next
        customer: /customer
        currency: /currency
        created: /created
        amount: /amount_paid
""",
}
"""The processor's side, by kind. `http` reads pages whose answer tells where to go on, as `next`."""


@dataclass(slots=True, kw_only=True)
class DirectCalls:
    """Outbound calls that reach a world without a socket."""

    world: BillingWorld
    boundary: Callable[[str], None] = lambda _: None
    """Called before and after each call: a process may die there."""

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002 - as Calls
        return None

    async def send(
        self,
        request: OutboundRequest,
        policy: WorkflowPolicy,  # noqa: ARG002 - as Calls
        *,
        within: timedelta,  # noqa: ARG002 - as Calls
        max_bytes: int,  # noqa: ARG002 - as Calls
    ) -> CallResult:
        self.boundary(f"before {request.method}")
        headers = {name.lower(): text.replace("secret://BILLING_KEY", KEY) for name, text in request.headers}
        status, body, told = self.world.answer(request.method, request.url, headers, request.body or b"")
        self.boundary(f"after {request.method}")
        return Answer(
            status=status,
            headers=tuple(({"content-type": "application/json"} | told).items()),
            body=json.dumps(body).encode(),
            truncated=False,
            elapsed=timedelta(milliseconds=1),
        )


class _Everywhere(dict[str, Script]):
    """Scripts of a server that answers everything in one way."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401, ARG002 - as dict
        return self._script


def on_http(billing: BillingWorld, world: World) -> None:
    """Put a billing world behind a real server."""

    def answer(_: int, seen: Seen) -> Reply:
        status, body, told = billing.answer(seen.method, seen.path, dict(seen.headers), seen.body)
        headers = (("Content-Type", "application/json"), *told.items())
        after = billing.slow if seen.method == "POST" else 0.0
        return Reply(status=status, body=json.dumps(body).encode(), headers=headers, after=after)

    world.scripts = _Everywhere(answer)

"""Every place where something of an event may leave the healer: each is searched for planted secrets, or says why not.

`tests/integration/test_secrets.py` goes through them, `test_secrets_ordered.py` with bulks that have found something
and with a producer's drift; `tests/contract/test_sinks.py` fails when one is missing here.
Tables are not listed: the search takes all that the database has. Nor are the fields of events: it takes topics whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.support.planted import PLANTED

Arguments = list[str]
WORDS: Final = " and ".join(planted.text for planted in PLANTED.values())
"""What a careless person writes as a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What commands of the search are about: ids of failures, places of dead letters, an organisation."""

    failures: tuple[str, ...]
    letters: tuple[str, ...]
    org: str


Searched = Callable[[Stored], list[Arguments]]


def _one(*arguments: str) -> Searched:
    return lambda _stored: [list(arguments)]


COMMANDS: Final[dict[str, Searched | str]] = {
    "failures": lambda _: [["--limit", "1000"], ["--limit", "1000", "--json"], ["--top"], ["--top-unknown"]],
    "attempts": lambda stored: [*([one, "--json"] for one in stored.failures), [stored.failures[0]]],
    "show": lambda stored: [*([one, "--json"] for one in stored.failures), [stored.failures[0]]],
    "plan": lambda stored: [[stored.failures[0]]],
    "approve": lambda stored: [
        [stored.failures[0], "--hash", "0" * 64, "--step", "1", "--reason", WORDS, "--by", WORDS]
    ],
    "deny": lambda stored: [[stored.failures[0], "--hash", "0" * 64, "--step", "1", "--reason", WORDS, "--by", WORDS]],
    "edit": lambda stored: [[stored.failures[0], "--reason", WORDS, "--by", WORDS, "--body", "-"]],
    "heal": lambda stored: [[stored.failures[0]]],
    "give-up": lambda stored: [[stored.failures[0], "--reason", WORDS, "--by", WORDS]],
    "resolve": lambda stored: [[stored.failures[1], "--reason", WORDS, "--by", WORDS]],
    "pause": lambda stored: [["--org", stored.org, "--reason", WORDS, "--by", WORDS, "--workflow", "nothing-here"]],
    "pauses": lambda _: [["--all"], ["--all", "--json"]],
    "resume": lambda stored: [["--org", stored.org, "--reason", WORDS, "--by", WORDS, "--workflow", "nothing-here"]],
    "bindings": lambda stored: [[], ["--json"], ["--org", stored.org]],
    "runs": lambda stored: [[], ["--json"], ["--org", stored.org, "--stalled"]],
    "rules list": lambda stored: [["--verified", "1"], ["--verified", "1", "--json"], ["--org", stored.org]],
    "rules show": "prints what the search finds in `rules list --json`, from the same document",
    "rules test": "tells ids, and what the checks say of a patch",
    "rules accept": "tells an id",
    "rules revoke": "tells an id",
    "drift": lambda _: [["--counting"], ["--counting", "--json"]],
    "wallet show": lambda stored: [[stored.org], [stored.org, "--json"]],
    "wallet set": lambda stored: [[stored.org, "--text", "1000", "--by", WORDS]],
    "ledger": lambda stored: [[stored.org], [stored.org, "--json"]],
    "report": lambda stored: [["--month", "2026-01", "--org", stored.org], ["--month", "2026-01", "--json"]],
    "shadow report": lambda _: [[], ["--json"]],
    "bulk preview": lambda stored: [["--action", "give_up", "--org", stored.org, "--reason", WORDS]],
    "bulk list": lambda _: [[], ["--json"]],
    "dlq list": lambda _: [[], ["--json"]],
    "dlq show": lambda stored: [[place] for place in stored.letters],
    "diagnose": _one("--stored"),
    "check-event": "asked with an event of its own in the search",
    "repair": "prints the document that its caller gave it, and reasons that quote it: nothing of it is stored or sent",
    "bulk start": "tells the number of a bulk action, and nothing of an event",
    "bulk stop": "tells the number of a bulk action, and nothing of an event",
    "bulk show": "needs a bulk that was made: searched in tests/integration/test_secrets_ordered.py",
    "dlq replay": "tells counts and places",
    "replay": "tells counts and times",
    "publish": "tells where records lie",
    "doctor": "reads settings, the catalog and servers, and knows no events",
    "run": "its log and its API are searched",
    "console": "prints the demo's address; its pages are searched as the API's answers are",
    "dev": "prints addresses; the service's log is searched",
    "demo": "heals failures of its own",
    "migrate": "knows no events",
    "topics": "knows no events",
    "schemas": "knows no events",
    "catalog example": "prints the example that comes with it",
    "catalog check": "reads the catalog, which names secrets and holds none",
    "deployment rename": "knows no events",
    "intake resume": "tells a state",
    "org list": "tells ids, names that an operator gave, and amounts",
    "org add": "tells an id",
    "org delete": "tells counts",
    "member add": "tells an id",
    "token": "prints the token that it makes, on purpose",
}
"""Each command of `shw`: its arguments in the search, or why it is not in it."""
ROUTES: Final[dict[str, str]] = {
    "GET /api/healing/failures": "searched",
    "GET /api/healing/failures/{failure_id}": "searched",
    "GET /api/healing/failures/{failure_id}/attempts": "searched",
    "GET /api/healing/failures/{failure_id}/attempts/{step}/asset": "gives bytes of a store, nothing of an event",
    "GET /api/healing/failures/{failure_id}/story": "searched",
    "GET /api/healing/feed": "searched",
    "GET /api/healing/feed/counts": "searched",
    "GET /api/healing/failures/{failure_id}/plan": "searched",
    "POST /api/healing/failures/{failure_id}/plan/approve": "searched",
    "POST /api/healing/failures/{failure_id}/plan/deny": "searched",
    "GET /api/healing/bindings": "searched",
    "GET /api/healing/pauses": "searched",
    "POST /api/healing/pauses": "searched",
    "POST /api/healing/pauses/{pause_id}/resume": "searched",
    "POST /api/healing/failures/{failure_id}/edit": "searched",
    "POST /api/healing/bulks": "searched",
    "GET /api/healing/bulks/{bulk_id}": "searched",
    "POST /api/healing/bulks/{bulk_id}/start": "searched",
    "POST /api/healing/bulks/{bulk_id}/stop": "searched",
    "GET /api/healing/stream": "tells ids, statuses and counts",
    "GET /api/healing/causes": "searched",
    "GET /api/healing/spend": "tells strategies and amounts",
    "GET /api/healing/incidents": "searched",
    "POST /api/healing/incidents": "searched",
    "GET /api/healing/incidents/{incident_id}": "searched",
    "POST /api/healing/incidents/{incident_id}/acts": "searched",
    "POST /api/healing/incidents/{incident_id}/heal": "searched",
    "GET /api/healing/stats": "searched",
    "POST /api/healing/heal": "searched",
    "POST /api/healing/failures": "tells an id and the redacted name of what the same caller has just sent",
    "GET /metrics": "searched",
    "GET /readyz": "searched",
    "GET /healthz": "searched",
}
"""Each route of the API, all of them in the search."""
WRITTEN_TOPICS: Final = frozenset(("results_topic", "dlq_topic"))
READ_TOPICS: Final = frozenset(("failures_topic", "commands_topic", "heartbeats_topic"))
"""The settings that name a topic: what is written is searched, of dead letters what the healer adds."""

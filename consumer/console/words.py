"""Sentences of the console: what each status, wait and answer means to a person, and what comes next. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.names import BulkState, Disposition, FailureType, IncidentAct, Status, StoryWait, StrategyName

STATUS: Final[Mapping[str, str]] = {
    Status.PENDING: "Waiting to be healed",
    Status.DEFERRED: "Put off",
    Status.AWAITING_APPROVAL: "Needs your approval",
    Status.NEEDS_PERSON: "Needs a person",
    Status.RESOLVED: "Healed",
    Status.GIVEN_UP: "Given up",
}
MEANS: Final[Mapping[str, str]] = {
    Status.PENDING: "It is healed as soon as there is a free place.",
    Status.DEFERRED: "It is tried again by itself when its time comes.",
    Status.AWAITING_APPROVAL: "A plan is ready, and nothing happens until somebody says yes or no to it.",
    Status.NEEDS_PERSON: "The healer cannot know what is right here, so it does nothing by itself.",
    Status.RESOLVED: "It was healed, and the proof is below.",
    Status.GIVEN_UP: "Nothing more is tried by itself. A person can have it tried anew.",
}
WAITS: Final[Mapping[str, str]] = {
    StoryWait.NOTHING: "Nothing: it is over.",
    StoryWait.SLOT: "A free place among the heals.",
    StoryWait.HEAL: "The heal that is under way right now.",
    StoryWait.OTHER_SYSTEM: "Another system, where its heal has begun a job.",
    StoryWait.TIME: "Its time: it was put off.",
    StoryWait.CREDITS: "Credits: the wallet cannot pay the heal.",
    StoryWait.SCOPE: "Another heal of the same thing.",
    StoryWait.DEPENDENCY: "A dependency that is ill to answer again.",
    StoryWait.PUBLICATION: "Its last event to reach Kafka.",
    StoryWait.PAUSE: "A pause to end.",
    StoryWait.APPROVAL: "Somebody's yes or no to its plan.",
    StoryWait.PERSON: "A person to look, and to decide.",
}
TYPE: Final[Mapping[str, str]] = {
    FailureType.API_TIMEOUT: "API timeout",
    FailureType.INVALID_SCHEMA: "Invalid schema",
    FailureType.WORKFLOW_STALL: "Workflow stall",
    FailureType.MISSING_IMAGE: "Missing image",
    FailureType.VOICE_GENERATION_ERROR: "Voice generation error",
    FailureType.BILLING_SYNC_ISSUE: "Billing out of step",
    FailureType.CONCIERGE_ACTION_FAILURE: "Concierge action failed",
    FailureType.UNKNOWN: "Unknown cause",
}
DISPOSITION: Final[Mapping[str, str]] = {
    Disposition.RETRY_NOW: "Trying again can help at once.",
    Disposition.RETRY_AFTER: "Trying again can help, after a while.",
    Disposition.RETRY_IF_IDEMPOTENT: "Trying again can help, where the call may be made twice.",
    Disposition.NEEDS_REPAIR: "The same input fails the same way: something has to be repaired.",
    Disposition.NEEDS_CREDENTIAL: "A credential has to be renewed.",
    Disposition.NEEDS_MONEY: "A quota or an account has to be filled.",
    Disposition.NEEDS_PERSON: "A person has to look.",
    Disposition.NEVER: "Trying again cannot help.",
}
STRATEGY: Final[Mapping[str, str]] = {
    StrategyName.AUTO_RETRY: "Makes the call again, where that is safe, and checks the answer.",
    StrategyName.AUTO_REGENERATE: "Has the image or the voice made again, and decodes what comes.",
    StrategyName.SCHEMA_AUTOFIX: "Repairs the payload to its schema, without changing what it means.",
    StrategyName.ROUTE_REPAIR: "Finds why the run stands still, and moves that step alone.",
    StrategyName.DEPENDENCY_REPLACEMENT: "Goes to a declared stand-in, or brings billing into step.",
    StrategyName.WORKFLOW_REWRITE: "A model proposes a rewrite; rules and a replay have to prove it.",
}
RESULT: Final[Mapping[str, str]] = {
    "success": "Healed, and proven",
    "failed": "Not healed",
    "error": "Broke before it acted",
    "unknown": "Outcome unknown",
}
SAID: Final[Mapping[str, str]] = {
    "approved": "Your yes is recorded. The plan is carried out once, now.",
    "counted": "Your yes is recorded. This plan needs another person's yes too.",
    "denied": "Your no is recorded. No effect of this plan begins.",
    "already": "That had been answered already. Nothing was changed.",
    "paused": "Healing is paused there: no effect begins until the pause is over.",
    "resumed": "The pause is over. What it held goes on by itself, a little at a time.",
    "edited": "The new input is kept, and the failed step is healed with it.",
    "noted": "It is kept, with your id and the time.",
    "asked": "The heal was asked for. It begins as soon as there is a free place.",
}
"""What a form came to, by the word in the address that follows it."""
ACT: Final[Mapping[str, str]] = {
    IncidentAct.OPEN: "Opened",
    IncidentAct.ACKNOWLEDGE: "Acknowledged",
    IncidentAct.TAKE: "Taken",
    IncidentAct.RELEASE: "Left to somebody else",
    IncidentAct.NOTE: "Noted",
    IncidentAct.HEAL: "Heal of all asked for",
    IncidentAct.CLOSE: "Closed",
}
SPENT: Final[Mapping[str, str]] = {"under_way": "Held for heals under way"}
"""What money of heals is for, where it is no strategy's name."""
LEDGER: Final[Mapping[str, str]] = {
    "topup": "Top-ups",
    "renewal": "Renewals",
    "adjustment": "Adjustments",
    "text_consume": "Text used",
    "voice_consume": "Voices used",
}
BULK: Final[Mapping[str, str]] = {
    BulkState.PREVIEWED: "Nothing is done yet",
    BulkState.RUNNING: "Under way",
    BulkState.STOPPED: "Stopped",
    BulkState.DONE: "All have their end",
}
TILES: Final = (
    (Status.AWAITING_APPROVAL, "Need your approval"),
    (Status.NEEDS_PERSON, "Need a person"),
    (Status.GIVEN_UP, "Given up"),
    (Status.DEFERRED, "Put off"),
    (Status.PENDING, "Waiting"),
)
"""The tiles that lead to failures, the most urgent first."""


def incident_state(incident: Mapping[str, Any]) -> str:
    """Return where an incident stands, in words."""
    if incident["closedAt"] is not None:
        return "Closed"
    return "Acknowledged" if incident["acknowledgedAt"] is not None else "Not acknowledged yet"


def incident_tone(incident: Mapping[str, Any]) -> str:
    """Return how that is coloured."""
    if incident["closedAt"] is not None:
        return "good"
    return "calm" if incident["acknowledgedAt"] is not None else "ask"


def lasted(seconds: float) -> str:
    """Write a span of time in its two largest units."""
    left = round(seconds)
    parts = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "less than a second"

"""What the checks and the replay find: each finding names its rule, where it stands, and why."""

from enum import StrEnum

from schemas.value import value


class PatchRule(StrEnum):
    """A rule that a patch has to hold to; the name of its check."""

    PATCH = "patch"
    """It is a JSON Patch within its bounds, and applies to this definition."""
    SCHEMA = "schema"
    """The outcome is a definition: ids once, actions of the catalogue, their parameters present and of their types."""
    ACYCLIC = "acyclic"
    REACHABLE = "reachable"
    """Each step can be taken in some run."""
    TERMINATING = "terminating"
    """No step repeats without an end."""
    JOINS = "joins"
    """What a step waits for can come true together."""
    REFERENCES = "references"
    """What a template refers to exists, and is there before it is needed."""
    ENGINE = "engine"
    HOST = "host"
    CREDENTIAL = "credential"
    PRIVILEGE = "privilege"
    LIMIT = "limit"
    """No retry, repeat, time-out or budget beyond what the definition or the limits have."""
    COST = "cost"
    """The dearest run stays within the budget."""
    ASSERTION = "assertion"
    APPROVAL = "approval"
    COMPENSATION = "compensation"
    REQUIRED = "required"
    """No required step is gone, optional, or skipped where it was not."""
    INVARIANT = "invariant"
    LITERAL = "literal"
    """Where code, hosts, ids or amounts stand, a new literal is one that the catalogue or the definition declares."""
    TAINT = "taint"
    """Nothing new stems from the failure's text."""
    GOOD_RUN = "good_run"
    """Each recorded good run ends as it did, with the same outputs and effects."""
    FAILING_RUN = "failing_run"
    """The failing run reaches its end on recorded answers."""
    EXERCISED = "exercised"
    """Each step that is another one is taken in a recorded run: of any other nothing says what it does."""


@value(frozen=True, slots=True, kw_only=True)
class PatchFinding:
    """One reason against a patch."""

    rule: PatchRule
    where: str
    """JSON pointer into the changed definition, or the name of a run."""
    why: str


@value(frozen=True, slots=True, kw_only=True)
class FailureEvidence:
    """What is known of the failure, all of which an attacker may have written."""

    texts: tuple[str, ...]
    """Reason, context and answers: every string and number of them."""
    recorded: tuple[str, ...] = ()
    """What the recorded run holds. A patch writes none of it down; that a reference fills it in is how runs work."""

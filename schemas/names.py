"""The closed vocabularies of the contract: what stands in events, in the tables, in metrics and in the logs alike.

Each member's comment states its consequence. A member's value never changes once published; a new member is a
compatible change only for readers that treat an unknown value as "something else".
"""

from enum import StrEnum
from typing import Final

SENT_PARTS: Final = ("request", "resume", "payload", "schema", "asset")
"""Parts of an event's context that a heal may send, as they came or mended."""


class FailureType(StrEnum):
    """What is broken, as diagnosed from the reason and the context."""

    API_TIMEOUT = "api_timeout"  # the call is made again when that is safe
    INVALID_SCHEMA = "invalid_schema"  # the payload is repaired against its schema and validated
    WORKFLOW_STALL = "workflow_stall"  # the run is rerouted or resumed, and must then show progress
    MISSING_IMAGE = "missing_image"  # the asset is generated again, and must then decode
    VOICE_GENERATION_ERROR = "voice_generation_error"  # the audio is generated again, and must then decode
    BILLING_SYNC_ISSUE = "billing_sync_issue"  # money may have moved: read back before anything is sent again
    CONCIERGE_ACTION_FAILURE = "concierge_action_failure"  # an action for a guest failed: never repeated without a key
    UNKNOWN = "unknown"  # nothing recognised: what is cheap and certain comes first, the agent last


class Disposition(StrEnum):
    """What the evidence says about trying again, whatever the failure's type."""

    RETRY_NOW = "retry_now"  # the same thing may be sent again at once
    RETRY_AFTER = "retry_after"  # the same thing may be sent again, later
    RETRY_IF_IDEMPOTENT = "retry_if_idempotent"  # the first try may have worked: repeated only where that does no harm
    NEEDS_REPAIR = "needs_repair"  # the same thing would fail again: something has to change first
    NEEDS_CREDENTIAL = "needs_credential"  # waits for a credential to be renewed
    NEEDS_MONEY = "needs_money"  # waits for a balance or a quota
    NEEDS_PERSON = "needs_person"  # no program may decide this
    NEVER = "never"  # trying again can only do harm: given up


class StrategyName(StrEnum):
    """How a failure is healed; the values are the seed's, letter by letter."""

    AUTO_RETRY = "auto-retry"  # makes the failed call again
    AUTO_REGENERATE = "auto-regenerate"  # makes the missing asset again
    SCHEMA_AUTOFIX = "schema-autofix"  # repairs the payload until it is valid
    ROUTE_REPAIR = "route-repair"  # brings the run back to a step from which it goes on
    DEPENDENCY_REPLACEMENT = "dependency-replacement"  # uses the alternative that the catalog declares
    WORKFLOW_REWRITE = "DeepAgent-full-workflow-rewrite"  # lets the agent rewrite the definition, under approval


class Result(StrEnum):
    """What became of one attempt."""

    SUCCESS = "success"  # verified by an oracle: the failure is resolved
    FAILED = "failed"  # known not to have healed, or not proven to: the code says which
    ERROR = "error"  # our own fault before any effect: another try does no harm
    UNKNOWN = "unknown"  # an effect may have happened: read back, or left to a person


class Code(StrEnum):
    """Why an attempt did not succeed; of those that did, only `recovered` and `relinked` have one."""

    NOT_HEALED = "not_healed"  # acted, and the oracle says no: next rung
    UNVERIFIED = "unverified"  # acted, and no oracle could say yes: next rung
    MISSING_CONTEXT = "missing_context"  # the event lacks fields, which are named: the publisher has to send them
    INSUFFICIENT_CREDITS = "insufficient_credits"  # deferred until the wallet can pay
    REFUSED = "refused"  # the catalog or a policy forbids it: an operator has to allow it
    DENIED = "denied"  # a person said no to the plan, or nobody answered and the catalog takes that for a no
    AWAITING_APPROVAL = "awaiting_approval"  # before any effect it found that its exact plan needs a yes
    NEEDS_PERSON = "needs_person"  # it found a cause that only a person can mend: the reason names it
    UNANSWERED = "unanswered"  # nobody answered the plan in time: it waits for a person who asks for a heal
    NOT_INSTALLED = "not_installed"  # this deployment lacks the strategy or its engine
    RETRY_LATER = "retry_later"  # deferred to the time the other side named
    PAUSED = "paused"  # a pause reached it while it was under way: it goes on once that is over
    SHADOW = "shadow"  # its strategy is in shadow mode: what it would have done is told, and not done
    CRASHED = "crashed"  # the strategy, or planning it, broke before any effect: a bug to report
    INTERRUPTED = "interrupted"  # the process died or broke after its effect began: outcome unknown
    RECOVERED = "recovered"  # with success: it was well before anything was sent, so no heal of ours may be praised
    RELINKED = "relinked"  # with success: an asset that was made before is in its place again, and nothing was paid


class Status(StrEnum):
    """Where a failure stands."""

    PENDING = "pending"  # is healed as soon as there is a free slot
    DEFERRED = "deferred"  # is looked at again when it is due
    AWAITING_APPROVAL = "awaiting_approval"  # goes on once a person approves the published plan
    NEEDS_PERSON = "needs_person"  # goes on only when a person acts
    RESOLVED = "resolved"  # verified as healed: final
    GIVEN_UP = "given_up"  # the ladder is used up: final unless healed on request


class Effect(StrEnum):
    """What happens when the failed call is made twice, as its owner declares it."""

    NONE = "none"  # reads only: repeated freely
    IDEMPOTENT = "idempotent"  # the second call changes nothing more: repeated freely
    KEYED = "keyed"  # repeated with the same idempotency key only
    CONDITIONAL = "conditional"  # an engine's order: given again only after a look shows the run still at its failure
    UNSAFE = "unsafe"  # never repeated once it may have begun


class PoisonReason(StrEnum):
    """Why a record became a dead letter; all but `source_not_allowed` and those of organisations lie in its bytes."""

    NOT_JSON = "not_json"  # not UTF-8, or not JSON
    WRONG_SHAPE = "wrong_shape"  # JSON, but not this contract
    TOO_LARGE = "too_large"  # above a stated limit
    BAD_TEXT = "bad_text"  # NUL or a piece of a character, where it cannot be mended: no database stores it
    BAD_NUMBER = "bad_number"  # NaN, an infinity, or beyond what the database stores
    BAD_TIME = "bad_time"  # not RFC 3339 with an offset, or out of the database's range
    TOO_DEEP = "too_deep"  # nested beyond the stated limit
    TOOK_TOO_LONG = "took_too_long"  # reading it takes more CPU time or memory than one record may have
    UNKNOWN_ORGANISATION = "unknown_organisation"  # replay it once the organisation exists
    ORGANISATION_LOCKED = "organisation_locked"  # replay it once nobody holds the organisation's row locked any more
    SOURCE_NOT_ALLOWED = "source_not_allowed"  # the catalog does not let this source speak for the organisation
    NOT_AUTHENTIC = "not_authentic"  # a command that no key of ours vouches for: nobody to answer, and nothing done
    UNKNOWN_VERSION = "unknown_version"  # published for a newer (or another) reader: replay it after an upgrade
    UNSTORABLE = "unstorable"  # the database refused it alone, or reading it broke: a gap in the checks above
    UNREADABLE_RECORD = "unreadable_record"  # no Kafka client reads it as a record: its bytes, in a batch that is whole
    CORRUPT_BATCH = "corrupt_batch"  # a whole batch of records: its checksum is wrong, or it cannot be unpacked


class EngineType(StrEnum):
    """What runs a workflow's step."""

    CLAUDE_CLI = "claude_cli"  # a command-line agent session
    DEEP_AGENT = "deep_agent"  # a planning agent with tools
    GEMINI_IMAGE = "gemini_image"  # an image generator: its output is an asset
    INTERNAL_SERVICE = "internal_service"  # a plain call within the platform


class Verdict(StrEnum):
    """What an oracle says of a heal."""

    PASSED = "passed"  # counts as proof: enough for success unless another oracle failed
    FAILED = "failed"  # counts as proof against: no success
    INCONCLUSIVE = "inconclusive"  # proves nothing either way


class Budget(StrEnum):
    """Which budget of its organisation's wallet pays for a heal; the platform's own words."""

    TEXT = "text"  # whatever is no voice
    VOICE = "voice"  # voices that are generated


class BudgetWarningKind(StrEnum):
    """Which budget of an organisation runs low; the platform's own words."""

    TEXT_LOW = "text_low"  # 20 % or less is left
    TEXT_CRITICAL = "text_critical"  # 5 % or less is left
    VOICE_LOW = "voice_low"  # the same of the voice budget
    VOICE_CRITICAL = "voice_critical"


class WaitsOn(StrEnum):
    """What has to happen before a failure moves on."""

    TIME = "time"  # its due time
    SCOPE = "scope"  # another heal that holds the same scope
    DEPENDENCY = "dependency"  # an ill dependency to answer its probe
    CREDITS = "credits"  # a wallet with enough in it
    CREDENTIAL = "credential"  # a renewed credential
    APPROVAL = "approval"  # an answer to the published plan
    PERSON = "person"  # somebody to act
    PAUSE = "pause"  # healing to be resumed by command


class StoryWait(StrEnum):
    """What a failure waits for, as a person asks."""

    NOTHING = "nothing"  # it is over
    SLOT = "slot"  # a free place among the heals
    HEAL = "heal"  # the heal that a process is at
    OTHER_SYSTEM = "other_system"  # a job or an order of another system, which its heal has begun
    TIME = "time"  # its due time
    CREDITS = "credits"  # a wallet with enough in it
    SCOPE = "scope"  # another heal of the same thing
    DEPENDENCY = "dependency"  # a dependency that is ill
    PUBLICATION = "publication"  # its last event to reach Kafka
    PAUSE = "pause"  # a pause to end
    APPROVAL = "approval"  # a person's answer to its plan
    PERSON = "person"  # a person to act


class StreamEvent(StrEnum):
    """An event of the stream of what moves."""

    SNAPSHOT = "snapshot"  # how it stands now: read anew, what was known before may be old
    MOVED = "moved"  # what has changed since the event before


class IncidentAct(StrEnum):
    """What a person does about an incident."""

    OPEN = "open"  # makes one case of the failures of a cause
    ACKNOWLEDGE = "acknowledge"  # says that somebody knows
    TAKE = "take"  # is its owner from now on
    RELEASE = "release"  # leaves it to somebody else
    NOTE = "note"  # writes something down
    HEAL = "heal"  # freezes all of its failures for a bulk
    CLOSE = "close"  # it is over


class ReachKind(StrEnum):
    """What a pause names, by the narrowest of it."""

    FLEET = "fleet"  # every heal of this deployment
    ORGANISATION = "organisation"  # every heal of one organisation
    WORKFLOW = "workflow"  # those of some workflows
    FAILURE_TYPE = "failure_type"  # those of failures that were diagnosed so
    STRATEGY = "strategy"  # those by one strategy
    DEPENDENCY = "dependency"  # those that call one dependency


class Mode(StrEnum):
    """What a strategy does with what it has planned."""

    LIVE = "live"  # does it
    SHADOW = "shadow"  # tells it, and leaves the failure to the next rung, or to a person


class RehearsalOutcome(StrEnum):
    """What came of the rehearsal of a heal in shadow mode: everything of it but its effect."""

    WOULD_ACT = "would_act"  # it came to its effect: `would_send` has what it would have sent
    RECOVERED = "recovered"  # it would have sent nothing: its own oracle found that all is well
    REFUSED = "refused"  # it would have refused, before any effect
    PUT_OFF = "put_off"  # it would have waited, or had not come to its effect in time
    NOT_HEALED = "not_healed"  # it would have ended without an effect, and healed nothing
    BROKEN = "broken"  # the strategy broke: report it
    NOT_REHEARSED = "not_rehearsed"  # too many at once, or its dependency is ill: only its plan is known


class DiagnosisAnswerKind(StrEnum):
    """What came of asking a model what is broken, where no rule knows."""

    DIFFERS = "differs"  # it names a type: the failure goes on with that
    AGREES = "agrees"  # it does not know either: the rules' diagnosis stands
    REFUSED = "refused"  # its evidence does not stand in the text: its answer counts for nothing
    UNANSWERED = "unanswered"  # nothing usable came, within its budget, its time and its tries


class PauseState(StrEnum):
    """Where a pause stands."""

    PLANNED = "planned"  # holds from its start on
    IN_FORCE = "in_force"  # no effect begins within its reach
    ENDED = "ended"  # what it held is due again


class CommandName(StrEnum):
    """What a supervisor may ask for."""

    APPROVE = "approve"  # the plan with this hash may run
    DENY = "deny"  # the plan with this hash never runs
    HEAL = "heal"  # the failure is due now, given up or not
    GIVE_UP = "give_up"  # the failure is not to be healed: final unless a heal is asked for
    RESOLVE = "resolve"  # the failure's effect did happen, or it was mended by hand: final
    DID_NOT_HAPPEN = "did_not_happen"  # the effect of unknown outcome did not happen: it may be made again
    EDIT = "edit"  # the failed step gets another input, and is healed with it
    BULK = "bulk"  # many failures, by filter: their ids are frozen, and nothing is done before it is started
    BULK_START = "bulk_start"  # what was frozen is done, at its rate; also what was stopped
    BULK_STOP = "bulk_stop"  # nothing more of it is done until it is started again
    PAUSE = "pause"  # no new heal starts in the named reach; intake goes on
    RESUME = "resume"  # heals start again in the named reach


class BulkAction(StrEnum):
    """What a bulk does to each of its failures: as the command of that name does to one."""

    HEAL = "heal"  # due now
    GIVE_UP = "give_up"  # closed: not to be healed
    RESOLVE = "resolve"  # closed: it did happen, or was mended by hand
    DID_NOT_HAPPEN = "did_not_happen"  # the effect in doubt may be made again


class BulkState(StrEnum):
    """Where a bulk stands."""

    PREVIEWED = "previewed"  # its ids are frozen: forgotten after a day unless started
    RUNNING = "running"  # one slice after the other is done, at its rate
    STOPPED = "stopped"  # nothing is done until it is started again
    DONE = "done"  # each failure has its outcome, and each heal that was asked for has ended


class CommandOutcome(StrEnum):
    """What became of a command."""

    ACCEPTED = "accepted"  # done, durably
    ALREADY = "already"  # it was so before: nothing changed
    REFUSED = "refused"  # not allowed or no longer valid: nothing changed, the reason says why
    NOT_FOUND = "not_found"  # names nothing that this healer knows


class RunStatus(StrEnum):
    """Where a workflow's run stands, as its orchestrator tells it."""

    PENDING = "pending"  # not begun
    PLANNING = "planning"  # its plan is being made
    EXECUTING = "executing"  # its steps run: heartbeats are due
    COMPLETED = "completed"  # final
    FAILED = "failed"  # final until resumed
    CANCELLED = "cancelled"  # final: never resumed


class AssetKind(StrEnum):
    """What an asset is, and so how it is checked."""

    IMAGE = "image"  # must decode as an image
    AUDIO = "audio"  # must decode as sound that is not silence
    VIDEO = "video"  # must have frames
    OTHER = "other"  # is checked by size and digest alone


class Grade(StrEnum):
    """How much of a payload's meaning a repair touches; each grade includes the ones before it."""

    LOSSLESS = "lossless"
    """Nothing is lost and nothing invented: the edit can be undone."""
    LOSSY = "lossy"
    """Something that the schema forbids is left out."""
    INVENTIVE = "inventive"
    """A value is filled in that the schema itself names: its `default` or its `const`."""

"""Session of one change request: what was approved, where it goes, and what has come of it so far."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from consumer.catalog import ChangeRequest
from consumer.heal.deep_agent.changes.state import ChangeState
from consumer.heal.deep_agent.proposing import RewriteTools
from consumer.heal.kept import Suspended
from consumer.heal.session import HealSession
from consumer.model import JsonObject, Refused
from consumer.model.rewrite import Rewrite
from consumer.runners.contract import RunRef
from schemas.names import Code

REPORTING_MARGIN: Final = timedelta(seconds=1)


@dataclass(slots=True, kw_only=True)
class ChangeSession(HealSession):
    """State of one change request."""

    tools: RewriteTools
    declared: ChangeRequest
    rewrite: Rewrite
    run: RunRef | None
    """The failed run; None where the failure names none."""
    told: JsonObject = field(default_factory=dict)

    @property
    def details(self) -> JsonObject:
        """The patch, and what has become of its change request."""
        clean, _ = self.tools.redact({"change_request": {"name": self.key, **self.told}})
        told = dict(clean) if isinstance(clean, dict) else {}
        rewrite = self.rewrite
        return told | {"patch": [*rewrite.patch], "base": rewrite.base_digest, "definition": rewrite.digest}

    @property
    def key(self) -> str:
        """Its key: the same for every repeat of this patch for this failure. It names the branch, and the file."""
        return f"shw-{self.rewrite.failure_id.hex[:12]}-{self.rewrite.told_digest[:16]}"

    def call_time(self) -> timedelta:
        """Return the timeout of one call, which leaves time to report its outcome; raises as `within`."""
        return self.within(self.declared.timeout, spare=REPORTING_MARGIN)

    def for_person(self, reason: str) -> Refused:
        """Return the end in which a person has to go on."""
        clean, _ = self.tools.redact(reason)
        return Refused(code=Code.NEEDS_PERSON, reason=str(clean)[:600], details=self.details)

    def later(self, state: ChangeState, reason: str, wait: timedelta | None = None) -> Suspended:
        """Return that it is waited for."""
        return Suspended(
            state=state,
            look_again=self.declared.every if wait is None else wait,
            reason=reason[:300],
            dependency_unhealthy=False,
        )

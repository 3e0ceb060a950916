"""How a heal of billing ends: proven by the sums and by a second reading, asked for, or told what differs."""

from collections.abc import Sequence
from datetime import timedelta

from consumer.heal.billing_sync.reconciling import Comparing
from consumer.heal.billing_sync.report import edits_of, of_state, report
from consumer.heal.billing_sync.session import BillingSession, CannotGoOn
from consumer.heal.kept import Suspended
from consumer.heal.session import proof
from consumer.model import Healed, Outcome, Proof, Refused, RetryLater
from consumer.model.billing_event import EventMark, MarkState
from schemas.names import Code, Verdict


async def tell(session: BillingSession, sums: Comparing | None) -> tuple[EventMark, ...]:
    """Make the report of what was done so far, and return the marks that it is made of."""
    marks = await session.marks()
    state = session.state
    session.told = report(session.name, marks, sums, readings=state.readings, unreadable=state.unreadable)
    return marks


def conclude(session: BillingSession, marks: Sequence[EventMark], sums: Comparing) -> Outcome:
    """Return the outcome of a heal that has read all there is."""
    held, failed = of_state(marks, MarkState.HELD), of_state(marks, MarkState.FAILED)
    proofs = (_sums_proof(sums), _reading_proof(session, failed))
    if held and session.policy.approval is not None:
        reason = f"{len(held)} missed events move money"
        return Refused(
            code=Code.AWAITING_APPROVAL, reason=reason, details=session.details, edits=edits_of(session.name, held)
        )
    if held:
        return session.not_healed(Code.NOT_HEALED, _nobody_to_ask(held), proofs)
    verdicts = {one.verdict for one in proofs}
    if verdicts == {Verdict.PASSED}:
        applied = of_state(marks, MarkState.APPLIED)
        return Healed(proofs=proofs, code=None if applied else Code.RECOVERED, details=session.details)
    code = Code.NOT_HEALED if Verdict.FAILED in verdicts else Code.UNVERIFIED
    return session.not_healed(
        code, "; ".join(one.detail for one in proofs if one.verdict is not Verdict.PASSED), proofs
    )


def _nobody_to_ask(held: Sequence[EventMark]) -> str:
    return f"{len(held)} missed events move money, and nobody can be asked: the catalog's entry has no `approval`"


def _sums_proof(sums: Comparing) -> Proof:
    if sums.differs:
        ahead = sum(one.is_ahead for one in sums.differs)
        said = f"{len(sums.differs)} of {sums.compared} sums differ"
        said += f", the platform has more in {ahead} of them, which is never taken back" if ahead else ""
        return proof("sums", Verdict.FAILED, said)
    if sums.unreadable:
        return proof("sums", Verdict.INCONCLUSIVE, f"{sums.unreadable} amounts could not be read")
    return proof("sums", Verdict.PASSED, f"{sums.compared} sums are equal to the last minor unit")


def _reading_proof(session: BillingSession, failed: Sequence[EventMark]) -> Proof:
    state = session.state
    if failed:
        said = f"{len(failed)} missed events could not be applied, such as {failed[0].event_id}: {failed[0].why}"
        return proof("second reading", Verdict.FAILED, said)
    if state.unreadable:
        return proof("second reading", Verdict.INCONCLUSIVE, f"{state.unreadable} items of the list are no events")
    if state.fresh:
        return proof("second reading", Verdict.INCONCLUSIVE, f"each of {state.readings} readings found further events")
    return proof("second reading", Verdict.PASSED, "a whole reading of the processor's events found nothing more")


async def stopped(session: BillingSession, why: CannotGoOn) -> Outcome | Suspended:
    """Return the end of a run in which one side could not be asked."""
    if why.after is None:
        await tell(session, None)
        if of_state(await session.marks(), MarkState.APPLIED):
            return session.not_healed(Code.NOT_HEALED, str(why))
        return Refused(code=Code.REFUSED, reason=str(why), details=session.details)
    after = max(why.after, timedelta(0))
    if session.has_kept:
        return Suspended(
            state=session.state, look_again=after, reason=str(why), dependency_unhealthy=session.dependency_unhealthy
        )
    return RetryLater(after=after, reason=str(why), dependency_unhealthy=session.dependency_unhealthy)

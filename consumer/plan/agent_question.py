"""Whether a model is asked what is broken, before a failure's plan counts. Pure."""

from datetime import datetime

from consumer.catalog import Catalog
from consumer.model import BELIEVED, NO_PROGRESS, Adopt, Diagnosis, Failure, Plan, Wait
from consumer.plan.reasons import limit_reason
from schemas.names import FailureType


def asks_agent(failure: Failure, diagnosis: Diagnosis, plan: Plan, catalog: Catalog, now: datetime) -> bool:
    """Return whether the model of its entry is to be asked, or is being asked, what is broken.

    It is, where the entry says `diagnose: agent`, the rules know no type and are less sure than the entry asks, nothing
    was tried yet, and whoever reported the failure may have it healed. It is asked once.
    """
    policy = catalog.policy(failure.workflow_name)
    if policy is None or policy.diagnose != "agent" or policy.agent is None or isinstance(plan, Adopt | Wait):
        return False
    is_known = diagnosis.failure_type is not FailureType.UNKNOWN
    if is_known or diagnosis.confidence >= policy.agent.diagnosis.least_confidence:
        return False
    if _is_begun(failure) or limit_reason(failure, policy, now) is not None:
        return False
    if failure.source is None:
        return failure.vouched or failure.inserted_as in BELIEVED
    return catalog.source_refusal(failure.source, failure.org_id, failure.workflow_name, policy) is None


def _is_begun(failure: Failure) -> bool:
    """Return whether a model has answered already, or something was tried."""
    asked = failure.agent_diagnosis
    has_answer = asked is not None and asked.answer is not None
    was_tried = failure.effect_in_doubt or failure.attempts > 0 or failure.ladder_progress is not NO_PROGRESS
    return has_answer or was_tried

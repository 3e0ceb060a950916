"""Plans with a person's changes: the plan that their approval would then cover, or why there is none."""

from dataclasses import replace
from datetime import datetime

from consumer.catalog import Catalog
from consumer.diagnose.agent_evidence import diagnosis_of
from consumer.heal.strategy import Strategies, TakesChanges
from consumer.model import Ask, Failure, Heal, JsonObject, Refuse
from consumer.model.approval import ApprovalState, ChangedPlan
from consumer.plan.approval import describe_plan, hash_plan, with_changes
from consumer.plan.planner import Planner
from consumer.redact import redact_json


async def change_plan(
    failure: Failure, changes: JsonObject, catalog: Catalog, strategies: Strategies, now: datetime
) -> ChangedPlan | str:
    """Return the plan of a failure under new parts of its context, or why it cannot be approved so.

    It is made by the same planner and under the same catalog as every plan, and what is new has to follow its schema:
    changes never widen what may be done.
    """
    asked, policy = failure.approval, catalog.policy(failure.workflow_name)
    if asked is None or policy is None:
        return "no plan of it is asked for"
    if redact_json(changes)[1]:
        return "the changes hold a secret: use secret://NAME in the catalog's headers"
    # As it would be planned now: what was denied stays so, and nothing is approved yet.
    changed = with_changes(replace(failure, approval=replace(asked, state=ApprovalState.DENIED)), changes)
    plan = Planner(rungs=strategies, catalog=catalog).plan(changed, diagnosis_of(changed), now)
    heal = plan.heal if isinstance(plan, Ask) else plan
    if not isinstance(heal, Heal) or heal.rung != asked.strategy:
        return plan.reason if isinstance(plan, Refuse) else f"with the changes {plan.strategy} would not act now"
    strategy = strategies[heal.strategy]
    if heal.action is not None or not isinstance(strategy, TakesChanges):
        return f"a plan of {heal.rung} takes no changes: deny it, or approve it as it is"
    if (refused := await strategy.changes_refusal(failure, changes, policy)) is not None:
        return refused
    described = describe_plan(heal, changed, policy, catalog)
    return ChangedPlan(changes=changes, plan=described, plan_hash=hash_plan(described), base_hash=hash_plan(described))

"""`shw rules`: patches that mended one cause again and again, back-tested, made rules by a person, and revoked."""
# --help must not wait for the database's driver to be imported.
# ruff: noqa: PLC0415

import asyncio
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.operator import login
from consumer.cli.options import AsJson, By, Reason, end

if TYPE_CHECKING:
    from consumer.model import Json, JsonObject
    from consumer.model.rewrite_rule import LearntPatch, RewriteRule
    from consumer.store.pool import Connection

rules: Final = typer.Typer(
    help="What the deep agent has taught: patches that are proposed before it is asked.", no_args_is_help=True
)
VERIFIED: Final = 3
"""How many failures a patch has to have mended before it is offered as a rule."""
_LISTED: Final = 200
_TESTED: Final = 200
_COLUMNS: Final = ("id", "org", "workflow", "state", "verified", "risk", "by", "hypothesis")

RuleId = Annotated[UUID, typer.Argument(metavar="ID", help="As `shw rules list` prints it.")]
Verified = Annotated[
    int, typer.Option("--verified", min=1, max=1000, help="How many failures it has to have mended to be offered.")
]


@rules.command("list")
def list_rules(
    org: Annotated[UUID | None, typer.Option("--org", metavar="ID", help="Of this organisation only.")] = None,
    verified: Verified = VERIFIED,
    as_json: AsJson = False,
) -> None:
    """List the rules, and the patches that may become one: those that mended one cause of a workflow often enough."""
    end(asyncio.run(_list(org, verified, as_json=as_json)))


@rules.command("show")
def show_rule(rule_id: RuleId, as_json: AsJson = False) -> None:
    """Print a rule, or a patch that may become one, as JSON: the patch, what it mends, and who decided what."""
    end(asyncio.run(_show(rule_id, as_json=as_json)))


@rules.command("test")
def test_rule(rule_id: RuleId) -> None:
    """Prove its patch anew for each stored failure that it would act on, and change nothing; 1 where one is refused."""
    end(asyncio.run(_test(rule_id)))


@rules.command("accept")
def accept_rule(rule_id: RuleId, reason: Reason, by: By = None, verified: Verified = VERIFIED) -> None:
    """Make a patch a rule: it is proven and asked for as the agent's are, and the agent is not asked."""
    end(asyncio.run(_accept(rule_id, reason=reason, by=by or login(), verified=verified)))


@rules.command("revoke")
def revoke_rule(rule_id: RuleId, reason: Reason, by: By = None) -> None:
    """Revoke a rule: the agent is asked again from the next heal on."""
    end(asyncio.run(_revoke(rule_id, reason=reason, by=by or login())))


async def _list(org: UUID | None, verified: int, *, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json, print_rows
    from consumer.model import OrgId
    from consumer.store import rewrite_rules
    from consumer.store.pool import transaction

    org_id = OrgId(org) if org is not None else None
    async with open_database() as pool, transaction(pool) as connection:
        found = await rewrite_rules.rules(connection, org_id=org_id, limit=_LISTED)
        learnt = await rewrite_rules.learnt_patches(connection, org_id=org_id, verified=verified, limit=_LISTED)
    known = {one.id for one in found}
    shown = [_document(one.learnt, one) for one in found]
    shown += [_document(one, None) for one in learnt if one.id not in known]
    if as_json:
        for one in shown:
            print_json(one)
    elif shown:
        print_rows(_COLUMNS, [[str(one[name] or "") for name in _COLUMNS] for one in shown])
    else:
        say(f"No patch has mended {verified} failures of one cause in a workflow, and there is no rule.")
    return ExitCode.OK


async def _show(rule_id: UUID, *, as_json: bool) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_document
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        found = await _find(connection, rule_id)
    if found is None:
        return _unknown(rule_id)
    print_document(_document(*found), as_json=as_json)
    return ExitCode.OK


async def _test(rule_id: UUID) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.cli.tables import print_json
    from consumer.heal.deep_agent.learning import back_test
    from consumer.heal.deep_agent.rules import limits_of
    from consumer.service.catalog_file import read_catalog
    from consumer.settings import read_settings
    from consumer.store import rewrite_rules
    from consumer.store.definitions import StoredRegistry
    from consumer.store.pool import transaction
    from consumer.workflows.definition import UnreadableDefinition
    from consumer.workflows.runs import WorkflowConfig

    catalog = read_catalog(read_settings().catalog)
    async with open_database() as pool:
        async with transaction(pool) as connection:
            found = await _find(connection, rule_id)
            failures = [] if found is None else await rewrite_rules.failures_of(connection, found[0], _TESTED)
        if found is None:
            return _unknown(rule_id)
        learnt = found[0]
        entry = await StoredRegistry(pool).entry(learnt.org_id, learnt.workflow_name)
    policy = catalog.policy(learnt.workflow_name)
    limits = "the catalog has no agent for it" if policy is None or policy.agent is None else limits_of(policy.agent)
    if entry is None or isinstance(limits, str):
        say(f"It cannot be tested: {limits if isinstance(limits, str) else 'the registry has no definition of it'}.")
        return ExitCode.NO
    try:
        config = WorkflowConfig.from_json(entry.config)
    except UnreadableDefinition as error:
        say(f"It cannot be tested: the registry's definition cannot be read: {error}.")
        return ExitCode.NO
    tested = back_test(learnt, config, limits, failures)
    for one in tested:
        print_json({"failure_id": str(one.failure_id), "proven": not one.against, "against": _clean([*one.against])})
    refused = sum(1 for one in tested if one.against)
    say(
        f"Of the {len(failures)} newest failures of its workflow it would act on {len(tested)}: "
        f"proven for {len(tested) - refused}, refused for {refused}."
    )
    return ExitCode.NO if refused else ExitCode.OK


async def _accept(rule_id: UUID, *, reason: str, by: str, verified: int) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.redact.words import redact_words
    from consumer.store import rewrite_rules
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        learnt = await rewrite_rules.learnt_patches(connection, org_id=None, verified=verified, limit=100_000)
        one = next((each for each in learnt if each.id == rule_id), None)
        if one is None:
            say(f"No patch {rule_id} has mended {verified} failures: `shw rules list` lists what may become a rule.")
            return ExitCode.NO
        words = {"by": redact_words(by), "reason": redact_words(reason)}
        done = await rewrite_rules.accept(connection, one, **words)
    if not done:
        say(f"{rule_id} is a rule already. Nothing was changed.")
        return ExitCode.NO
    say(f"{rule_id} is a rule now, accepted by {words['by']}: it is proposed before the agent is asked.")
    return ExitCode.OK


async def _revoke(rule_id: UUID, *, reason: str, by: str) -> ExitCode:
    from consumer.cli.database import open_database
    from consumer.redact.words import redact_words
    from consumer.store import rewrite_rules
    from consumer.store.pool import transaction

    async with open_database() as pool, transaction(pool) as connection:
        words = {"by": redact_words(by), "reason": redact_words(reason)}
        done = await rewrite_rules.revoke(connection, rule_id, **words)
    if not done:
        say(f"No rule {rule_id} is in force. Nothing was changed.")
        return ExitCode.NO
    say(f"{rule_id} is revoked by {words['by']}: the agent is asked again.")
    return ExitCode.OK


async def _find(connection: "Connection", rule_id: UUID) -> "tuple[LearntPatch, RewriteRule | None] | None":
    """Return a rule, or a patch that may become one, whatever it has mended."""
    from consumer.store import rewrite_rules

    rule = await rewrite_rules.rule(connection, rule_id)
    if rule is not None:
        return rule.learnt, rule
    learnt = await rewrite_rules.learnt_patches(connection, org_id=None, verified=1, limit=100_000)
    return next(((one, None) for one in learnt if one.id == rule_id), None)


def _unknown(rule_id: UUID) -> ExitCode:
    say(f"No rule or patch {rule_id}: `shw rules list` lists what there is.")
    return ExitCode.NO


def _document(learnt: "LearntPatch", rule: "RewriteRule | None") -> "JsonObject":
    """Return what is printed of a rule, without what looks like a secret."""
    told: JsonObject = {
        "id": str(learnt.id),
        "org": str(learnt.org_id),
        "workflow": learnt.workflow_name,
        "state": "offered",
        "verified": learnt.verified,
        "risk": learnt.risk,
        "by": None,
        "hypothesis": learnt.hypothesis,
        "patch": [*learnt.patch],
    }
    if rule is not None:
        told |= {"state": "in force" if rule.is_in_force else "revoked", "by": rule.accepted_by}
        told |= {"accepted_at": rule.accepted_at.isoformat(), "reason": rule.reason}
    if rule is not None and rule.revoked_at is not None:
        told |= {"revoked_by": rule.revoked_by, "revoked_at": rule.revoked_at.isoformat()}
        told |= {"revoked_why": rule.revoked_why}
    clean = _clean(told)
    return clean if isinstance(clean, dict) else {}


def _clean(value: "Json") -> "Json":
    from consumer.redact import redact_json

    return redact_json(value)[0]

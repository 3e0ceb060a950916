"""The commands of `shw` that are declared in modules of their own, by what they are about."""

import typer

from consumer.cli.approvals import approve_plan, deny_plan, show_plan
from consumer.cli.bindings import list_bindings
from consumer.cli.bulk import add_orders
from consumer.cli.deployment import deployment
from consumer.cli.doctor import doctor
from consumer.cli.members import make_token, members
from consumer.cli.organisations import organisations
from consumer.cli.pauses import add_pauses
from consumer.cli.refused_commands import dlq, intake
from consumer.cli.report import report_month
from consumer.cli.rules import rules
from consumer.cli.runs import list_runs
from consumer.cli.shadows import shadow
from consumer.cli.show import add_show
from consumer.cli.small_world import add_small_world
from consumer.cli.wallets import show_ledger, wallet


def add_groups(app: typer.Typer) -> None:
    """Add them to the program."""
    app.add_typer(deployment, name="deployment")
    app.add_typer(dlq, name="dlq")
    app.add_typer(intake, name="intake")
    app.add_typer(organisations, name="org")
    app.command("doctor")(doctor)
    app.command("plan")(show_plan)
    app.command("approve")(approve_plan)
    app.command("deny")(deny_plan)
    app.add_typer(shadow, name="shadow")
    app.command("report")(report_month)
    app.command("bindings")(list_bindings)
    app.add_typer(rules, name="rules")
    app.command("runs")(list_runs)
    app.add_typer(wallet, name="wallet")
    app.add_typer(members, name="member")
    app.command("token")(make_token)
    app.command("ledger")(show_ledger)
    add_orders(app)
    add_pauses(app)
    add_show(app)
    add_small_world(app)

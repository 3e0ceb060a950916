"""An example of each command, which stands at the end of its `--help`."""

from collections.abc import Mapping
from typing import Final

import typer

_ORG: Final = "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f"

EXAMPLES: Final[Mapping[str, str]] = {
    "run": "SHW_CATALOG=catalog.yaml shw run",
    "doctor": "shw doctor --json",
    "migrate": "SHW_POSTGRES__DSN=postgresql://owner@127.0.0.1/shw shw migrate",
    "topics": "shw topics --partitions 6 --replication 3",
    "dev": "BROKER=embedded shw dev",
    "demo": "BROKER=kafka shw demo",
    "console": "shw console --demo",
    "deployment": "shw deployment",
    "deployment rename": "shw deployment rename --from staging",
    "catalog check": "shw catalog check deploy/catalog.example.yaml",
    "catalog example": "shw catalog example > catalog.yaml",
    "publish": "shw publish --source urn:example:orders --id orders-8841 --file failure.json",
    "check-event": "shw check-event --catalog catalog.yaml --database --human < event.json",
    "diagnose": "shw diagnose --stored --since 7d",
    "repair": "shw repair --schema order.schema.json < order.json",
    "failures": "shw failures --workflow orders.sync --status needs_person --since 12h",
    "attempts": "shw attempts 1f3a --json",
    "show": "shw show 1f3a",
    "drift": "shw drift --counting",
    "heal": "shw heal 1f3a --wait 20",
    "give-up": "shw give-up 1f3a --reason 'the order was cancelled'",
    "resolve": "shw resolve 1f3a --reason 'booked by hand'",
    "edit": "shw edit 1f3a --payload order.json --reason 'the amount was a text'",
    "plan": "shw plan 1f3a",
    "approve": "shw approve 1f3a --hash HASH --step 3 --reason 'the guest agreed'",
    "deny": "shw deny 1f3a --hash HASH --step 3 --reason 'refunded already'",
    "pause": "shw pause --workflow orders.sync --for 2h --reason 'orders is being moved'",
    "resume": "shw resume --workflow orders.sync --reason 'orders is moved'",
    "pauses": "shw pauses --all",
    "bulk preview": "shw bulk preview --action heal --workflow orders.sync --since 12h --reason 'orders is back'",
    "bulk start": "shw bulk start BULK",
    "bulk stop": "shw bulk stop BULK --reason 'orders is down again'",
    "bulk list": "shw bulk list --json",
    "bulk show": "shw bulk show BULK --outcomes",
    "bindings": f"shw bindings --org {_ORG}",
    "runs": f"shw runs --org {_ORG} --stalled",
    "shadow report": "shw shadow report --since 7d",
    "report": "shw report --month 2026-11",
    "rules list": f"shw rules list --org {_ORG}",
    "rules show": "shw rules show RULE",
    "rules test": "shw rules test RULE",
    "rules accept": "shw rules accept RULE --reason 'mended the same cause five times'",
    "rules revoke": "shw rules revoke RULE --reason 'the provider changed its answer'",
    "dlq list": "shw dlq list --reason unknown_organisation --since 1h",
    "dlq show": "shw dlq show 0:17",
    "dlq replay": "shw dlq replay --all --reason unknown_organisation --dry-run",
    "replay": "shw replay --since 2026-11-29T03:00",
    "intake": "shw intake --json",
    "intake resume": "shw intake resume --off-for 1h",
    "org add": "shw org add 'Lamps & Sons'",
    "org list": "shw org list --json",
    "org delete": f"shw org delete {_ORG} --yes",
    "wallet show": f"shw wallet show {_ORG}",
    "wallet set": f"shw wallet set {_ORG} --text 20",
    "member add": f"shw member add {_ORG} --role owner",
    "token": "shw token USER --for 1h",
    "ledger": f"shw ledger {_ORG} --month 2026-11",
    "schemas": "shw schemas openapi",
}


def add_examples(app: typer.Typer, path: tuple[str, ...] = ()) -> None:
    """Put an example below the help of each command of the program, and of each group that is a command itself."""
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__.replace("_", "-") if command.callback else "")
        command.epilog = _epilog(*path, name)
    for group in app.registered_groups:
        if group.typer_instance is not None and isinstance(group.name, str):
            group.epilog = _epilog(*path, group.name)
            add_examples(group.typer_instance, (*path, group.name))


def _epilog(*path: str) -> str | None:
    example = EXAMPLES.get(" ".join(path))
    return None if example is None else f"Example: {example}"

"""Declaration of every `shw` command with its options; a command's implementation is imported when it runs."""
# `shw diagnose` must not wait for the import of Kafka's client, nor --help for that of the whole service.
# ruff: noqa: PLC0415

import sys
from contextlib import ExitStack
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer

from consumer.cli.examples import add_examples
from consumer.cli.exits import ExitCode, say_unread_variables
from consumer.cli.groups import add_groups
from consumer.cli.listed import attempts, failures
from consumer.cli.options import (
    TIMES,
    AsJson,
    By,
    FailureArgument,
    Reason,
    Since,
    Wide,
    end,
    header_of,
    length_of,
    since_of,
    stdin,
)
from schemas.names import Grade

app: Final = typer.Typer(
    name="shw",
    help="Reads workflow failures from Kafka, heals them, proves it, and publishes what came of it.",
    epilog="Exit codes: 0 done; 1 the answer is no; 2 usage or configuration; 3 the outside world did not answer.",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_catalog: Final = typer.Typer(help="What may be healed, and for whom.", no_args_is_help=True)
app.add_typer(_catalog, name="catalog")
add_groups(app)
app.command("failures")(failures)
app.command("attempts")(attempts)


class FormName(StrEnum):
    """Encoding of an event in a Kafka record."""

    STRUCTURED = "structured"
    BINARY = "binary"
    BARE = "bare"


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show_version:
        print(version("self-healing-workflows"))  # noqa: T201 - the answer
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE)
    if context.invoked_subcommand != "doctor":  # which says it, with what mends it
        say_unread_variables()


@app.command()
def run() -> None:
    """Run the service until SIGTERM or Ctrl-C: the consumer and its API."""
    from consumer.cli.service import run_until_signalled

    run_until_signalled()


@app.command()
def migrate() -> None:
    """Bring the database's schema up to this release."""
    from consumer.cli.setup import migrate_database

    migrate_database()


@app.command()
def topics(
    partitions: Annotated[int, typer.Option(min=1, max=10_000, help="For each topic that is created.")] = 6,
    replication: Annotated[
        int, typer.Option(min=1, max=10, help="Copies of each record; 3 where there are three brokers.")
    ] = 1,
) -> None:
    """Create the topics that are missing."""
    from consumer.cli.setup import create_missing_topics

    create_missing_topics(partitions=partitions, replication=replication)


@_catalog.command("check")
def check_catalog(
    file: Annotated[Path | None, typer.Argument(help="The catalog. Default: SHW_CATALOG.")] = None,
) -> int:
    """Say whether a catalog is valid, and where it is not; 1 if something in it is not bound yet, or does nothing."""
    from consumer.cli.setup import check_catalog

    return check_catalog(file)


@_catalog.command("example")
def print_example_catalog() -> None:
    """Print the example catalog that this release comes with, to be changed."""
    from consumer.cli.setup import print_example_catalog

    print_example_catalog()


@app.command()
def publish(
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Default: standard input.")] = None,
    form: Annotated[FormName, typer.Option(help="CloudEvents structured or binary, or the data alone.")] = (
        FormName.STRUCTURED
    ),
    source: Annotated[str | None, typer.Option(help="Who speaks. Default: the event's own, or urn:shw:publish.")] = (
        None
    ),
    event_id: Annotated[
        str | None, typer.Option("--id", help="Of a single event. Default: its own, or random.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The record's key. Default: the run's id, or the organisation.")] = (
        None
    ),
) -> None:
    """Publish a failure, or one from each line, and print where each lies (acks=all).

    An event is the JSON of the failure (org_id, workflow_name, failure_reason, context), or a CloudEvent around it.
    """
    from consumer.cli.publish import PublishOptions, publish
    from schemas.envelope import Form

    manner = PublishOptions(form=Form(form.value), source=source, event_id=event_id, key=key)
    with ExitStack() as opened:
        stream = opened.enter_context(file.open("rb")) if file else stdin()
        end(publish(stream, manner))


@app.command()
def check_event(
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME=VALUE", help="A header of the record.")
    ] = None,
    catalog: Annotated[Path | None, typer.Option(help="Default: SHW_CATALOG.")] = None,
    database: Annotated[
        bool, typer.Option("--database", help="Ask it for the organisation, its wallet, pauses and breakers, too.")
    ] = False,
    topic: Annotated[
        str | None,
        typer.Option("--topic", metavar="NAME", help="It is a record of this topic of the catalog."),
    ] = None,
    posted: Annotated[
        str | None, typer.Option("--posted", metavar="FORMAT", help="It is a body of POST /api/healing/failures.")
    ] = None,
    org: Annotated[UUID | None, typer.Option("--org", metavar="ID", help="With --posted: whose it is.")] = None,
    human: Annotated[bool, typer.Option("--human", help="Words that end with what to do, instead of JSON.")] = False,
) -> None:
    """Say what would become of an event on standard input: accepted? its diagnosis, strategy, plan; 0 when healable."""
    from consumer.cli.check_event import check_event, posted_as
    from consumer.cli.event_page import event_page
    from consumer.cli.tables import print_json

    if (posted is None) is not (org is None) or (posted is not None and topic is not None):
        raise typer.BadParameter("--posted and --org go together, and without --topic.")
    told_on = topic if posted is None or org is None else posted_as(posted, org)
    headers = [header_of(one) for one in header or ()]
    found = check_event(stdin().read(), headers, catalog=catalog, with_database=database, told_on=told_on)
    if human:
        sys.stdout.write(event_page(found))
    else:
        print_json(found)
    end(ExitCode.OK if found["healable"] else ExitCode.NO)


@app.command()
def diagnose(
    stored: Annotated[
        bool, typer.Option("--stored", help="The database's failures instead: what would be decided otherwise now.")
    ] = False,
    since: Since = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=100_000_000, help="The newest of them. Default: 100000.")
    ] = None,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """Diagnose failures: lines of {"failure_reason": ..., "context": ...} in, a line of JSON for each out, in order.

    Other keys and blank lines are ignored. A line that is no such object is answered with {"error": ...}, and the
    exit code is then 1. Needs neither settings nor servers. With --stored it reads no input: it compares what was
    decided of the failures in the database with what the present rules and catalog would decide, and changes nothing.
    """
    if stored:
        from consumer.cli.stored import diagnose_stored

        diagnose_stored(since=since_of(since), limit=limit or 100_000, as_json=as_json)
        return
    if since is not None or limit is not None:
        raise typer.BadParameter("--since and --limit go with --stored.")
    from consumer.cli.diagnose import diagnose_lines

    end(ExitCode.OK if diagnose_lines(stdin(), sys.stdout.buffer) else ExitCode.NO)


@app.command()
def repair(
    schema: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The JSON Schema of the one on standard input.")
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help='Lines of {"id", "schema", "text"} instead.')] = False,
    grade: Annotated[Grade, typer.Option(help="The most that may be done to a document.")] = Grade.INVENTIVE,
) -> None:
    """Repair a document until its schema accepts it, or refuse: prints it with its edits; 0 unless one is refused."""
    from consumer.cli.repair import repair_lines, repair_one

    if (schema is None) != jsonl:
        raise typer.BadParameter("Give --schema or --jsonl.")
    if schema is None:
        end(ExitCode.OK if repair_lines(stdin(), sys.stdout.buffer, most=grade) else ExitCode.NO)
        return
    end(ExitCode.OK if repair_one(stdin(), schema, sys.stdout.buffer, most=grade) else ExitCode.NO)


@app.command()
def drift(
    org: Annotated[UUID | None, typer.Option(help="Of this organisation only.")] = None,
    counting: Annotated[bool, typer.Option("--counting", help="Also what may still become a finding.")] = False,
    mended: Annotated[
        UUID | None, typer.Option(metavar="ID", help="Forget this finding: its producer is mended.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: AsJson = False,
    _wide: Wide = False,
) -> None:
    """List producers whose payloads keep needing the same repair, with what mends each, in words and as JSON Patch."""
    from consumer.cli.drift import count_anew, print_drift

    if mended is not None:
        end(count_anew(mended))
        return
    print_drift(org_id=org, counting=counting, limit=limit, as_json=as_json)


@app.command()
def heal(
    failure_id: FailureArgument,
    wait: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Wait so long for the attempt and print it: 30s, or seconds.")
    ] = None,
    did_not_happen: Annotated[
        bool, typer.Option("--did-not-happen", help="You looked: the call of unknown outcome had no effect.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a failure to be healed now, given up or not; one that needs a person only with --did-not-happen."""
    from consumer.cli.decisions import DID_NOT_HAPPEN, decide_failure
    from consumer.cli.failures import heal
    from consumer.model.decision import Decision

    if did_not_happen:
        end(decide_failure(failure_id, Decision.DID_NOT_HAPPEN, reason=DID_NOT_HAPPEN, by=by, as_json=as_json))
    if not did_not_happen or wait is not None:
        seconds = length_of("--wait", wait).total_seconds() if wait is not None else None
        end(heal(failure_id, wait=seconds, by=by))


@app.command()
def give_up(failure_id: FailureArgument, reason: Reason, by: By = None, as_json: AsJson = False) -> None:
    """Close a failure that is not to be healed. A heal that is under way ends and is told, and changes nothing more."""
    from consumer.cli.decisions import decide_failure
    from consumer.model.decision import Decision

    end(decide_failure(failure_id, Decision.GIVE_UP, reason=reason, by=by, as_json=as_json))


@app.command()
def resolve(failure_id: FailureArgument, reason: Reason, by: By = None, as_json: AsJson = False) -> None:
    """Close a failure whose call did happen, or that was mended by hand."""
    from consumer.cli.decisions import decide_failure
    from consumer.model.decision import Decision

    end(decide_failure(failure_id, Decision.RESOLVE, reason=reason, by=by, as_json=as_json))


@app.command()
def replay(
    since: Annotated[str, typer.Option(metavar="TIME", help=f"From then on: {TIMES}.")],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this. Default: to the end.")] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Write dead letters once more, not only count them.")
    ] = False,
) -> None:
    """Read the failures topic again from a time on, and store what is missing; what is there stays as it is.

    Works beside running consumers, which heal what is new, and leaves their offsets alone.
    """
    from consumer.cli.replay import replay

    end(replay(since_of(since), since_of(until, "--until") if until is not None else None, dead_letters=dead_letters))


@app.command()
def schemas(
    name: Annotated[str | None, typer.Argument(help="Print this one.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Say where the files differ from the models.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the files from the models.")] = False,
) -> None:
    """Print the names of the contract's JSON Schemas and its AsyncAPI document, or one of them."""
    from consumer.cli import contract

    if (name is not None) + check + write > 1:
        raise typer.BadParameter("Give a name, --check or --write.")
    if write:
        contract.write_documents()
    elif check:
        end(contract.check_documents())
    elif name is not None:
        end(contract.print_document(name))
    else:
        contract.print_names()


add_examples(app)

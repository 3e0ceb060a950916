"""The API beside the pipeline: what it needs of other rooms is given to it here."""

import asyncio
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Protocol

import structlog

from consumer.api.app import SupervisionEndpoints, create_api
from consumer.api.approvals import ApprovalEndpoints
from consumer.api.assets import AT_ONCE, ProvenFile, ReadFile
from consumer.api.gateway import Gateway
from consumer.api.health import Clocks, Readiness
from consumer.api.orders import OrderEndpoints
from consumer.api.pages import PageParts, Pages
from consumer.api.pauses import PauseAnswers
from consumer.api.reported import ReportEndpoints
from consumer.api.server import connections_beside, serve
from consumer.commands.execute import obey_user
from consumer.heal.schema_autofix.rules import schema_in
from consumer.heal.schema_check.check import lone_schema_check
from consumer.ingest.decode import AdmissionRules
from consumer.model import JsonObject, OrgId
from consumer.outbound.calls import open_calls
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from consumer.results.decision import status_message
from consumer.results.pauses import pause_message
from consumer.service.commands import change_plan_now
from consumer.service.kept_files import KeptFiles
from consumer.service.loops import Consumer
from consumer.service.startup_checks import OTHER_FILES
from consumer.service.vitals import Vitals
from consumer.settings import ApiSettings

log = structlog.get_logger(__name__)


class Around(Clocks, Readiness, Protocol):
    """The process around the API: whether it is alive, and ready."""


async def serve_api(consumer: Consumer) -> None:
    """Serve the API beside the pipeline until cancelled."""
    settings = consumer.settings.api
    connections = connections_beside(consumer.settings.heal.slots + OTHER_FILES, settings.connections)
    catalogs = consumer.stages.catalogs
    async with open_calls(catalogs.secrets, connections=AT_ONCE) as calls:
        api = create_whole_api(consumer, settings, Vitals(consumer), KeptFiles(catalogs, calls).read)
        async with serve(api, settings.host, settings.port, connections=connections) as address:
            log.info("api_serving", address=address, connections=connections)
            await asyncio.Event().wait()


def _console() -> Callable[[PageParts], Pages] | None:
    """Return what creates the console; None without the extra that renders its pages."""
    if find_spec("jinja2") is None:
        log.info("console_not_installed", needs="self-healing-workflows[console]")
        return None
    from consumer.console.pages import console_pages  # noqa: PLC0415 - it needs that extra

    return console_pages


async def nothing_kept(_: ProvenFile) -> bytes | None:
    """Have no file to show: of a process that calls nobody."""
    return None


def create_whole_api(
    consumer: Consumer, settings: ApiSettings, around: Around, read_file: ReadFile = nothing_kept
) -> Gateway:
    """Create the API with all its endpoints; `around` knows how the process does, `read_file` what heals have made."""
    return create_api(
        settings=settings,
        pool=consumer.pool,
        metrics=consumer.metrics,
        clocks=around,
        readiness=around,
        wake=consumer.wake.set,
        console=_console(),
        supervision=SupervisionEndpoints(
            approvals=ApprovalEndpoints(
                tell=partial(status_message, outlet=consumer.stages.outlet),
                holds_after=NOTHING_STARTS_AFTER,
                wake=consumer.wake.set,
                change=partial(change_plan_now, consumer.stages),
            ),
            pauses=PauseAnswers(
                tell=partial(pause_message, outlet=consumer.stages.outlet), holds_after=NOTHING_STARTS_AFTER
            ),
            orders=OrderEndpoints(
                obey=partial(obey_user, outlet=consumer.stages.outlet, price=consumer.bulks.price),
                wake=consumer.wake.set,
                input_schema=partial(_input_schema, consumer),
                misfit=find_misfit,
            ),
            reports=ReportEndpoints(
                topic=consumer.settings.kafka.failures_topic,
                rules=lambda: AdmissionRules(
                    catalog=consumer.stages.catalogs.current, max_event_bytes=consumer.settings.intake.max_event_bytes
                ),
                send=consumer.writer.send,
            ),
            read_file=read_file,
        ),
    )


def _input_schema(consumer: Consumer, workflow_name: str, context: JsonObject) -> object:
    policy = consumer.stages.catalogs.current.policy(workflow_name)
    run = context.get("run")
    step = run.get("step") if isinstance(run, dict) else None
    return schema_in(context, step if isinstance(step, str) else "", policy) if policy is not None else None


async def find_misfit(schema: object, payload: object, of: OrgId) -> str | None:
    """Return where a payload does not fit; a schema by which nothing can be judged holds up nobody."""
    check = lone_schema_check()
    if (await check.usable(schema, of))[0] != "passed":
        return None
    verdict, detail = await check.valid(schema, payload, of)
    return detail if verdict == "failed" else None

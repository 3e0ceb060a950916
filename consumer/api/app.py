"""The FastAPI application, behind its gateway."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import FastAPI

from consumer.api.approvals import ApprovalEndpoints, add_approvals
from consumer.api.assets import ReadFile, add_assets
from consumer.api.bindings import add_bindings
from consumer.api.errors import answer_errors
from consumer.api.gateway import Gateway, gateway
from consumer.api.healing import healing_routes
from consumer.api.health import Clocks, Readiness, health_routes
from consumer.api.incidents import add_heal_of_incident, add_incidents
from consumer.api.key_set import check_key_file
from consumer.api.orders import OrderEndpoints, add_orders
from consumer.api.pages import PageParts, Pages
from consumer.api.pauses import PauseAnswers, add_pauses
from consumer.api.reported import ReportEndpoints, add_reports
from consumer.api.sign_in import sign_in
from consumer.api.spend import add_spend
from consumer.api.stories import add_stories
from consumer.api.streams import add_stream
from consumer.metrics import Metrics
from consumer.settings import ApiSettings
from consumer.store.pool import Pool
from schemas.openapi import openapi_document

START_WITHIN: Final = timedelta(seconds=10)
STOP_WITHIN: Final = timedelta(seconds=3)
"""Timeout for responses under way at a stop: part of the process's own time to stop, so short."""
BACKLOG: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionEndpoints:
    """What the endpoints by which owners and admins supervise healing need of other rooms."""

    approvals: ApprovalEndpoints
    pauses: PauseAnswers
    orders: OrderEndpoints
    reports: ReportEndpoints
    read_file: ReadFile


def create_api(
    *,
    settings: ApiSettings,
    pool: Pool,
    metrics: Metrics,
    clocks: Clocks,
    readiness: Readiness,
    wake: Callable[[], None],
    supervision: SupervisionEndpoints | None = None,
    console: Callable[[PageParts], Pages] | None = None,
) -> Gateway:
    """Create the application, behind its gateway; `wake` has the resume loop look for what a request made due.

    `console` creates the pages beside it; without it their paths lead nowhere.
    """
    # The interactive pages load their scripts from elsewhere; the description itself is enough.
    app = FastAPI(
        title="Self-Healing Workflows", docs_url=None, redoc_url=None, openapi_url="/api/healing/openapi.json"
    )
    answer_errors(app)
    app.include_router(health_routes(settings, metrics.registry, clocks, readiness))
    routes, healing = healing_routes(settings, pool, wake)
    add_bindings(routes, healing)
    stories = add_stories(routes, healing)
    streams = add_stream(routes, healing, settings, metrics)
    incidents = add_incidents(routes, healing)
    spend = add_spend(routes, healing)
    check_key_file(settings)
    door = sign_in(settings)
    parts = None
    if supervision is not None:
        pauses = add_pauses(routes, healing, supervision.pauses)
        add_approvals(routes, healing, supervision.approvals)
        orders = add_orders(routes, healing, supervision.orders)
        add_reports(routes, healing, supervision.reports)
        assets = add_assets(routes, healing, supervision.read_file)
        add_heal_of_incident(routes, incidents, orders)
        parts = PageParts(
            healing=healing,
            stories=stories,
            approvals=supervision.approvals,
            pauses=pauses,
            orders=orders,
            streams=streams,
            incidents=incidents,
            spend=spend,
            assets=assets,
            sign_in=door,
        )
    app.include_router(routes)
    # With every answer, of which the framework knows few.
    app.openapi = openapi_document  # type: ignore[method-assign]
    pages = console(parts) if console is not None and parts is not None else None
    return gateway(app, settings, door, metrics, live=streams.views, pages=pages)

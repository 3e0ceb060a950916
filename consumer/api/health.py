"""Health endpoints of the process: liveness, readiness, and metrics."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from consumer.settings import ApiSettings


class Clocks(Protocol):
    """Liveness clocks tell a process that works from one that only runs. They run only for what a restart cures."""

    def ages(self) -> Mapping[str, timedelta]:
        """Return for each clock how long what it watches has stood still; zero while it moves."""
        ...


class Readiness(Protocol):
    """Readiness: whether start-up is over, and notes for people."""

    def reasons_not_ready(self) -> tuple[str, ...]:
        """Return what is missing, in words; empty when ready."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Return what is out of the ordinary, and no reason to send work elsewhere."""
        ...


def limits(settings: ApiSettings) -> Mapping[str, timedelta]:
    """Return the age at which each clock calls for a restart."""
    return {
        "loop_tick": settings.loop_stall,
        "oldest_in_flight": settings.in_flight_stall,
        "step": settings.step_stall,
        "unassigned": settings.unassigned_stall,
        "unread": settings.unassigned_stall,
        "uncommitted": settings.unassigned_stall,
    }


def health_routes(
    settings: ApiSettings, registry: CollectorRegistry, clocks: Clocks, readiness: Readiness
) -> APIRouter:
    """Create `/healthz`, `/readyz` and `/metrics`; none of them authenticates the caller."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        """503 when a clock stands still: restart the process."""
        readings = _readings(settings, clocks)
        shown = {
            name: {"seconds": round(now.total_seconds(), 3), "limit": limit.total_seconds(), "ok": now <= limit}
            for name, (now, limit) in readings.items()
        }
        failing = _failing(readings)
        status = "failing" if failing else "ok"
        return JSONResponse(
            {"status": status, "failing": failing, "clocks": shown}, status_code=503 if failing else 200
        )

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """503 with the reasons while the process is not ready: send it nothing yet."""
        stuck = [f"{name} stands still" for name in _failing(_readings(settings, clocks))]
        reasons = [*readiness.reasons_not_ready(), *stuck]
        answer = {"ready": not reasons, "reasons": reasons, "notes": list(readiness.notes())}
        return JSONResponse(answer, status_code=503 if reasons else 200)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Prometheus' text format, or OpenMetrics where it is asked for."""
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return Response(encode(registry), headers={"Content-Type": content_type})

    return router


def _readings(settings: ApiSettings, clocks: Clocks) -> dict[str, tuple[timedelta, timedelta]]:
    ages = clocks.ages()
    return {name: (ages.get(name, timedelta(0)), limit) for name, limit in limits(settings).items()}


def _failing(readings: Mapping[str, tuple[timedelta, timedelta]]) -> list[str]:
    return [name for name, (now, limit) in readings.items() if now > limit]

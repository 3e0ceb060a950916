"""Whether the process works, whether it may be sent work, and its metrics."""

from datetime import timedelta
from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from consumer.settings import ApiSettings


class Clocks(Protocol):
    """What tells a process that works from one that only runs."""

    def since_tick(self) -> timedelta:
        """How long ago intake's loop last turned."""
        ...

    def oldest_in_flight(self) -> timedelta:
        """How long the oldest heal has been under way; zero without one."""
        ...

    def unassigned(self) -> timedelta:
        """How long this member has had no partition; zero while it has one, or when there are fewer than members."""
        ...


class Readiness(Protocol):
    """Whether start-up is over and what it needs is there."""

    def reasons_not_ready(self) -> tuple[str, ...]:
        """Say what is missing, in words; nothing when ready."""
        ...


def health_routes(
    settings: ApiSettings, registry: CollectorRegistry, clocks: Clocks, readiness: Readiness
) -> APIRouter:
    """Make `/healthz`, `/readyz` and `/metrics`; none of them asks who is asking."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        """503 when a clock stands still: restart the process."""
        readings = {
            "loop_tick": (clocks.since_tick(), settings.loop_stall),
            "oldest_in_flight": (clocks.oldest_in_flight(), settings.in_flight_stall),
            "unassigned": (clocks.unassigned(), settings.unassigned_stall),
        }
        shown = {
            name: {"seconds": round(now.total_seconds(), 3), "limit": limit.total_seconds(), "ok": now <= limit}
            for name, (now, limit) in readings.items()
        }
        failing = [name for name, (now, limit) in readings.items() if now > limit]
        status = "failing" if failing else "ok"
        return JSONResponse(
            {"status": status, "failing": failing, "clocks": shown}, status_code=503 if failing else 200
        )

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """503 with the reasons while the process is not ready: send it nothing yet."""
        reasons = readiness.reasons_not_ready()
        return JSONResponse({"ready": not reasons, "reasons": list(reasons)}, status_code=503 if reasons else 200)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Prometheus' text format, or OpenMetrics where it is asked for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    return router

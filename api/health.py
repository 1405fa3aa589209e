"""Is this process alive, and is it ready to serve? Each part is named."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy import text

from api.deps import runtime_of
from core.access import PUBLIC
from core.redis_address import Mode
from core.runtime import Runtime

router = APIRouter(tags=["health"])

_TIMEOUT_SECONDS = 2.0

# Redis may be away: sends still commit and ack, sockets are told ``degraded``, heads heal what was missed.
_REQUIRED = frozenset({"database", "migrations"})


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """``ready`` when every required part is; ``parts`` says of each ``ok`` or what is the matter.

    ``redis_mode`` is what ``REDIS_URL`` names.
    """

    status: Literal["ready", "degraded", "not_ready"]
    parts: dict[str, str]
    redis_mode: Mode


@router.get("/healthz", openapi_extra=PUBLIC.label)
async def healthz() -> Alive:
    """Alive: restart the process when this does not answer."""
    return Alive()


@router.get(
    "/readyz",
    responses={503: {"model": Readiness, "description": "Send no traffic here now."}},
    openapi_extra=PUBLIC.label,
)
async def readyz(request: Request, response: Response) -> Readiness:
    """Ready: database, migrations, Redis, and the relay where this process serves sockets."""
    runtime = runtime_of(request)
    checks: dict[str, Callable[[], Awaitable[str]]] = {
        "database": lambda: _database(runtime),
        "migrations": lambda: _migrations(runtime, request.app.state.newest_revision),
        "redis": lambda: _redis(runtime),
        "rate_limits": lambda: _rate_limits(runtime),
    }
    outcomes = await asyncio.gather(*(_outcome(check) for check in checks.values()))
    parts = dict(zip(checks, outcomes, strict=True))
    parts.update(request.app.state.extra_readiness())
    mode = runtime.settings.redis_mode
    failing = {name for name, outcome in parts.items() if outcome != "ok"}
    if failing & _REQUIRED or "draining" in parts.values():
        response.status_code = 503
        return Readiness(status="not_ready", parts=parts, redis_mode=mode)
    return Readiness(status="degraded" if failing else "ready", parts=parts, redis_mode=mode)


async def _outcome(check: Callable[[], Awaitable[str]]) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await check()
    except Exception as fault:  # noqa: BLE001 - a probe reports whatever is wrong
        return f"not reachable ({type(fault).__name__})"


async def _database(runtime: Runtime) -> str:
    await runtime.database.ping()
    return "ok"


async def _migrations(runtime: Runtime, newest: str) -> str:
    async with runtime.database.engine.connect() as connection:
        current = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return "ok" if current == newest else f"the database is at revision {current}, the code at {newest}"


async def _rate_limits(runtime: Runtime) -> str:
    return "ok" if runtime.rate_limits.is_shared else "counted by this process alone: Redis is away"


async def _redis(runtime: Runtime) -> str:
    await runtime.publisher.ping()
    return "ok"

"""The REST API as one FastAPI application."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Lifespan

from api.audit.routes import router as audit
from api.body_limit import BodyLimitProblem
from api.chat.routes import router as chat
from api.clinics.routes import router as clinics
from api.error_handlers import install_error_handlers
from api.health import router as health
from api.identity.routes import router as identity
from api.middleware import RequestContext
from api.nodes.routes import router as nodes
from api.notifications.routes import dev_router as dev_outbox
from api.notifications.routes import router as notifications
from api.pages import install_pages
from api.queueing.routes import router as queueing
from api.rate_limits import RequestLimit
from api.screens.routes import router as screens
from core.runtime import Runtime

_ROOT: Final = Path(__file__).resolve().parent.parent


def newest_revision() -> str:
    """The newest migration that this code knows."""
    head = ScriptDirectory.from_config(Config(_ROOT / "alembic.ini")).get_current_head()
    assert head is not None
    return head


def _nothing_more() -> dict[str, str]:
    return {}


def create_app(
    runtime: Runtime,
    *,
    lifespan: Lifespan[FastAPI] | None = None,
    extra_readiness: Callable[[], dict[str, str]] = _nothing_more,
    with_rooms: bool = True,
) -> FastAPI:
    """Everything that is served over HTTP.

    ``extra_readiness`` adds parts to ``/readyz`` (the hub's relay, where this process serves sockets). Without rooms
    only the health of the process is served, next to its sockets.
    """
    app = FastAPI(
        title="Carebell",
        version="0.1.0",
        summary="Live queue boards, chat and messages for clinics",
        # Our own page instead (api/pages.py): FastAPI's loads its scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.runtime = runtime
    app.state.newest_revision = newest_revision()
    app.state.extra_readiness = extra_readiness
    app.state.requests = Counter()
    install_error_handlers(app)
    app.include_router(health)
    if with_rooms:
        for router in (identity, clinics, queueing, screens, chat, notifications, audit, nodes):
            app.include_router(router, max_body_size=runtime.settings.max_body_bytes)
        if runtime.settings.is_development:
            app.include_router(dev_outbox)
        install_pages(app, is_development=runtime.settings.is_development)
    app.add_middleware(BodyLimitProblem)
    # Inside of CORS: a page of another site may read why it was refused.
    app.add_middleware(RequestLimit, runtime)
    if runtime.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=runtime.settings.cors_origins,
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(RequestContext, app.state.requests)
    return app

"""What happens around every request: an id, security headers, one log line without secrets. Plain ASGI."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.route_paths import logged_path, route_path
from core.ids import new_id
from core.logging import get_logger

log = get_logger(__name__)

_SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}
_PAGE_POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
_PRIVATE: Final = "/api/"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET: Final = ("/healthz", "/readyz", "/metrics", "/assets/")


class RequestContext:
    """Gives each request an id (``X-Request-ID``), the headers that browsers want, and a line in the log."""

    def __init__(
        self,
        app: ASGIApp,
        counted: Counter[tuple[str, str, int]],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Counts in ``counted`` by method, route and status; ``clock`` in seconds, for the duration in the log."""
        self._app = app
        self._counted = counted
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = self._clock(), 500

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
                if scope["path"].startswith(_PRIVATE):
                    # Whose it is is said by a cookie: the next user of that browser must not go back to it.
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, with_headers)
            finally:
                # Whoever invents methods must not make us keep them.
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._counted[method, route_path(scope), status] += 1
                if not scope["path"].startswith(_QUIET):
                    # Not the query, nor what is no id in the path: either may hold what does not belong in a log.
                    log.info(
                        "request",
                        method=method,
                        path=logged_path(scope),
                        status=status,
                        ms=round((self._clock() - started) * 1000, 1),
                    )

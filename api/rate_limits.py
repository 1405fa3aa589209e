"""How many requests one user, or one address, may send. Plain ASGI, around every route below ``/api/``."""

from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.error_handlers import problem
from api.identity.credentials import ACCESS_COOKIE, bearer_token
from core.clock import now
from core.errors import Authentication, TooManyRequests
from core.rate_limits import RateLimit
from core.runtime import Runtime
from domain.identity.rules import read_access_token

_LIMITED: Final = "/api/"
_MINUTE: Final = 60


class RequestLimit:
    """Counts each request for who sends it; over the limit the answer is 429, and no route is reached."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        """The limit is a setting of the runtime, and its counters are there."""
        self._app = app
        self._runtime = runtime
        self._limit = RateLimit("requests", runtime.settings.requests_per_minute, _MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        secret = self._runtime.settings.secret_key.get_secret_value()
        retry_after = await self._runtime.rate_limits.hit(self._limit, caller_of(request, secret))
        if retry_after is None:
            await self._app(scope, receive, send)
            return
        detail = f"Too many requests. Please try again in {retry_after} second(s)."
        headers = {"Retry-After": str(retry_after)}
        response = problem(request, TooManyRequests.status, TooManyRequests.error_code, detail, headers=headers)
        await response(scope, receive, send)


def caller_of(request: Request, secret: str) -> str:
    """The user whose genuine token is shown, by its signature alone: no query. Everybody else is an address."""
    token = bearer_token(request) or request.cookies.get(ACCESS_COOKIE)
    if token is not None:
        with suppress(Authentication):
            return f"user:{read_access_token(token, secret, now()).user_id}"
    return f"address:{_network(request.client.host if request.client else '')}"


def _network(host: str) -> str:
    """An IPv6 caller is its /64: whoever has one has 2^64 addresses."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return host

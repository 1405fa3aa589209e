"""How many requests one user, or one address, may send. Plain ASGI, around every route below ``/api/``."""

from collections import OrderedDict
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.deps import actor_known_by
from api.error_handlers import problem
from api.identity.credentials import ACCESS_COOKIE, bearer_token
from core.clock import now
from core.errors import Authentication, TooManyRequests
from core.rate_limits import RateLimit
from core.runtime import Runtime
from domain.identity.rules import digest_of, is_key, read_access_token

_LIMITED: Final = "/api/"
_MINUTE: Final = 60
_KEYS_KEPT: Final = 4096


class RequestLimit:
    """Counts each request for who sends it; over the limit the answer is 429, and no route is reached."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        """The limit is a setting of the runtime, and its counters are there."""
        self._app = app
        self._runtime = runtime
        self._keys = KnownKeys()
        self._limit = RateLimit("requests", runtime.settings.requests_per_minute, _MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        secret = self._runtime.settings.secret_key.get_secret_value()
        caller = self._keys.owner_of(request) or caller_of(request, secret)
        retry_after = await self._runtime.rate_limits.hit(self._limit, caller)
        if retry_after is None:
            await self._app(scope, receive, send)
            self._keys.learn(request)
            return
        detail = f"Too many requests. Please try again in {retry_after} second(s)."
        headers = {"Retry-After": str(retry_after)}
        response = problem(request, TooManyRequests.status, TooManyRequests.error_code, detail, headers=headers)
        await response(scope, receive, send)


class KnownKeys:
    """API keys and screens' keys that were genuine when they were last shown to this process.

    Whether a key is genuine takes a query, which must not come before the limit: made-up keys would each be a caller of
    their own. So a key's first request counts for its address, and those after it for the key.
    """

    def __init__(self) -> None:
        """None yet."""
        self._owners: OrderedDict[bytes, str] = OrderedDict()

    def owner_of(self, request: Request) -> str | None:
        """The caller that this request's key stands for."""
        digest = _digest_of_key(request)
        return self._owners.get(digest) if digest else None

    def learn(self, request: Request) -> None:
        """The request was answered: whether its key is genuine may be known now."""
        digest, session_id = _digest_of_key(request), actor_known_by(request).session_id
        if digest is None or session_id is None:
            return
        self._owners[digest] = f"key:{session_id}"
        self._owners.move_to_end(digest)
        if len(self._owners) > _KEYS_KEPT:
            self._owners.popitem(last=False)


def _digest_of_key(request: Request) -> bytes | None:
    token = bearer_token(request)
    return digest_of(token) if token is not None and is_key(token) else None


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

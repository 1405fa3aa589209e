"""The opening handshake: what the application is asked, and how a refusal looks (RFC 6455 section 4.2, RFC 9457)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

import msgspec
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from core.clock import now, rfc3339
from core.ids import new_id
from hub.frames import SUBPROTOCOL
from hub.wire import QUIET


@dataclass(frozen=True, slots=True)
class HandshakeRequest:
    """What a client that wants a socket shows of itself.

    ``query`` is raw and, like ``headers``, may hold credentials: neither is in the repr, and neither goes to a log.
    Header names are in lower case; repeated headers are joined (RFC 9110, section 5.3; cookies: RFC 6265).
    """

    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    address: tuple[str, int]
    secure: bool


@dataclass(frozen=True, slots=True)
class Rejection:
    """No socket: an HTTP ``status`` with a problem+json body. ``retry_after`` in seconds."""

    status: int
    error_code: str
    detail: str
    retry_after: int | None = None


NOT_SERVED = Rejection(404, "RESOURCE_NOT_FOUND", "There is no socket at this address.")
UNAVAILABLE = Rejection(503, "UNAVAILABLE", "The sign-in took too long. Please try again.", retry_after=2)
GOING_AWAY = Rejection(503, "UNAVAILABLE", "This process ends. Please try again.", retry_after=1)
FAILED = Rejection(500, "INTERNAL", "Something went wrong on our side. It has been noted.")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A request head that was read: the line for the log, and the 101 that accepts it, unless it is not valid."""

    target: str
    request: Request = field(repr=False)
    response: Response = field(repr=False)
    invalid: Rejection | None = None


class _Handshake(ServerProtocol):
    """Reads the request head; the subprotocol is taken when it is offered and not missed when it is not."""

    def select_subprotocol(self, subprotocols: list[Subprotocol]) -> Subprotocol | None:  # type: ignore[override]
        return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in subprotocols else None


def read_head(head: bytes) -> Upgrade | Rejection:
    """Read the head of an upgrade request. A head that cannot be read at all is a rejection at once."""
    wire = _Handshake(logger=QUIET)
    wire.receive_data(head)
    match wire.events_received():
        case [Request() as request]:
            response = wire.accept(request)
        case _:
            return Rejection(431, "REQUEST_HEADER_FIELDS_TOO_LARGE", "The request head cannot be read.")
    target = request.path.partition("?")[0]
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        return Upgrade(target, request, response)
    status = HTTPStatus(response.status_code)
    detail = "This is not a valid WebSocket handshake (RFC 6455, version 13)."
    return Upgrade(target, request, response, Rejection(status, status.name, detail))


def describe(request: Request, config: Config, address: tuple[str, int], *, secure: bool) -> HandshakeRequest:
    """The request as the application sees it; a trusted proxy's word on the client counts, nobody else's."""
    path, _, query = request.path.partition("?")
    headers = _joined(request.headers)
    # uvicorn puts its proxy middleware around the ASGI application, which sockets do not pass: same settings, here.
    proxies = config.loaded_app.trusted_hosts if isinstance(config.loaded_app, ProxyHeadersMiddleware) else ()
    if address[0] in proxies:
        secure = headers.get("x-forwarded-proto", "https" if secure else "http") in {"https", "wss"}
        if forwarded := headers.get("x-forwarded-for"):
            address = config.loaded_app.trusted_hosts.get_trusted_client_address(forwarded)
    return HandshakeRequest(unquote(path), query, headers, address, secure)


def _joined(headers: Headers) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.raw_items():
        key = name.lower()
        between = "; " if key == "cookie" else ", "
        joined[key] = joined[key] + between + value if key in joined else value
    return joined


def refusal(rejection: Rejection) -> bytes:
    """A whole HTTP response, after which the connection is closed."""
    status = HTTPStatus(rejection.status)
    body = msgspec.json.encode(
        {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": rejection.detail,
            "error_code": rejection.error_code,
            "timestamp": rfc3339(now()),
            "request_id": str(new_id()),
        }
    )
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
        }
    )
    if rejection.retry_after is not None:
        headers["Retry-After"] = str(rejection.retry_after)
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED}:
        headers["Sec-WebSocket-Version"] = "13"
    if status == HTTPStatus.UPGRADE_REQUIRED:
        headers["Upgrade"] = "websocket"
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(status.value, status.phrase, headers, body).serialize()

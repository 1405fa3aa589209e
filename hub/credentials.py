"""How a socket signs in at its handshake: bearer header, ``?ticket=``, ``?token=`` or the session cookie.

The fifth way, a first frame ``hello`` with a token, is a command. Server-Sent Events sign in by their headers alone.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from core.errors import Authentication, Authorization
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.rules import is_own_page
from hub import sign_in
from hub.handshake import HandshakeRequest
from hub.sign_in import SignIn

_COOKIE: Final = "access_token"


class ForbiddenOrigin(Authorization):
    """A page of another site tried to use this browser's cookie."""

    error_code = "FORBIDDEN_ORIGIN"
    detail = "Sockets cannot be opened from this site."


async def sign_in_of_handshake(request: HandshakeRequest, runtime: Runtime) -> SignIn | None:
    """Who opens the socket; None when nothing was shown and ``hello`` is to come.

    Raises ``Authentication`` for something shown that is not valid, ``ForbiddenOrigin`` for a cookie from elsewhere.
    A cookie that is no longer valid counts as nothing shown: a browser sends it whether the page wants it or not,
    and boards are for everybody.
    """
    query = parse_qs(request.query)
    if _bearer(request.headers) is None and "ticket" in query:
        return await sign_in.by_ticket(runtime, query["ticket"][0])
    if _bearer(request.headers) is None and "token" in query:
        return await sign_in.by_token(runtime, query["token"][0])
    return await sign_in_of_headers(request.headers, runtime)


async def sign_in_of_headers(headers: Mapping[str, str], runtime: Runtime) -> SignIn | None:
    """The same where nothing is taken from the address: a bearer token, or the session cookie. Raises the same."""
    bearer = _bearer(headers)
    if bearer is not None:
        return await sign_in.by_token(runtime, bearer)
    cookie = _cookie(headers)
    if cookie is None:
        return None
    _check_origin(headers, runtime.settings)
    try:
        return await sign_in.by_token(runtime, cookie)
    except Authentication:
        return None


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def _cookie(headers: Mapping[str, str]) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None and morsel.value else None


def _check_origin(headers: Mapping[str, str], settings: Settings) -> None:
    """Browsers send ``Origin`` with every WebSocket handshake; a page of another site could else read as this user."""
    origin = headers.get("origin")
    if origin is not None and not is_own_page(origin, None, headers.get("host"), settings.allowed_origins):
        raise ForbiddenOrigin

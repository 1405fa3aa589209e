"""Who is asking, by what a request shows: a bearer token, or the cookie of a browser's session."""

from typing import Final

from fastapi import Request
from fastapi.security import APIKeyCookie, OAuth2PasswordBearer

from core.actor import Actor
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.credentials import identify
from domain.identity.errors import CrossSiteRequest
from domain.identity.rules import is_own_page

ACCESS_COOKIE: Final = "access_token"
REFRESH_COOKIE: Final = "refresh_token"

# For the OpenAPI document and the Authorize button of /docs only; ``actor_of_request`` decides.
BEARER: Final = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", auto_error=False, scheme_name="bearer")
COOKIE: Final = APIKeyCookie(name=ACCESS_COOKIE, auto_error=False, scheme_name="cookie")

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def check_own_page(request: Request, settings: Settings) -> None:
    """A browser sends cookies with requests that other sites make it send; those must not change anything.

    SameSite=Strict is the first line, this is the second. Raises ``CrossSiteRequest``.
    """
    headers = request.headers
    if request.method not in _SAFE_METHODS and not is_own_page(
        headers.get("origin"), headers.get("sec-fetch-site"), headers.get("host"), settings.allowed_origins
    ):
        raise CrossSiteRequest


def refuse_other_sites(request: Request, settings: Settings) -> None:
    """For signing in and out, which need no cookie: no other site does either for its visitors.

    Only browsers say from where they ask, and they always do: who says nothing is a program, and let through.
    Raises ``CrossSiteRequest``.
    """
    headers = request.headers
    if "origin" in headers or headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        check_own_page(request, settings)


def bearer_token(request: Request) -> str | None:
    """The token of ``Authorization: Bearer …`` (RFC 6750), ``None`` when that header shows none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def shown_token(request: Request, settings: Settings) -> str | None:
    """The access token that a request shows: the header's before the cookie's.

    Raises ``CrossSiteRequest`` for a cookie on a change that no page of ours asked for.
    """
    token = bearer_token(request)
    if token is None:
        token = request.cookies.get(ACCESS_COOKIE)
        if token is not None:
            check_own_page(request, settings)
    return token


async def actor_of_request(request: Request, runtime: Runtime) -> Actor | None:
    """Who is asking; ``None`` when nothing was shown.

    Raises ``Authentication`` when what was shown is not valid or its session has ended, ``CrossSiteRequest``. Whether a
    key is for this request is asked afterwards: a refusal is written down under its owner.
    """
    token = shown_token(request, runtime.settings)
    if token is None:
        return None
    return (await identify(runtime.database, token, runtime.settings.secret_key.get_secret_value())).actor

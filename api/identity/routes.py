"""Accounts and sessions over HTTP."""

import contextlib
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.security import OAuth2PasswordRequestForm

from api.deps import SettingsOf, SignedIn, Unit, optional_actor, runtime_of
from api.identity import api_keys, invitations, passwords, second_factor, sessions, users
from api.identity.cookies import LATE_LOGOUT_PATH, clear_session_cookies, set_session_cookies
from api.identity.credentials import REFRESH_COOKIE, bearer_token, check_own_page, refuse_other_sites, shown_token
from api.identity.schemas import (
    Login,
    LoginOut,
    MessageOut,
    OneTimeCode,
    ProfileOut,
    Refresh,
    Registration,
    SocketTicketOut,
    TokensOut,
    UserOut,
)
from api.identity.sign_in import sign_in
from api.schema_docs import problems
from core.access import PEOPLE, PUBLIC, SIGNED_IN
from core.actor import ANONYMOUS, Role
from core.clock import now
from core.errors import Authentication
from core.settings import Settings
from domain.identity import actions, queries
from domain.identity.errors import InvalidToken, RefreshTokenReused, SessionEnded, TokenInUrl
from domain.identity.policy import SIGNING_OUT
from domain.identity.rules import read_refresh_token, session_of_access_token, session_of_refresh_token

router = APIRouter(prefix="/api/v1", tags=["identity"])

# RFC 6749, 5.1: what carries a token is kept by no cache.
_NOT_KEPT = {"Cache-Control": "no-store"}


@router.post("/auth/register", status_code=201, responses=problems(400, 401, 403, 409), openapi_extra=PUBLIC.label)
async def register(request: Request, body: Registration) -> UserOut:
    """Make an account: everybody as a patient, administrators with any role."""
    runtime = runtime_of(request)
    role = Role(body.role)
    # Who registers as a patient is nobody yet: an old cookie in the browser must not stand in the way.
    actor = ANONYMOUS if role == Role.PATIENT else await optional_actor(request)
    async with runtime.transactions.begin(actor) as unit:
        user = await actions.create_user(
            unit,
            email=body.email,
            password=body.password,
            name=body.name,
            role=role,
            phone=body.phone,
            specialization=body.specialization,
            department=body.department,
            password_min_length=runtime.settings.password_min_length,
            password_cost=runtime.settings.bcrypt_cost,
        )
    return UserOut.model_validate(user)


@router.post("/auth/login", responses=problems(400, 401, 403), openapi_extra=PUBLIC.label)
async def login(request: Request, response: Response, body: Login, settings: SettingsOf) -> LoginOut:
    """Sign a browser in: the tokens are set as HttpOnly cookies and are not in the body.

    An account with a second factor is refused with ``SECOND_FACTOR_REQUIRED`` until ``otp`` comes as well.
    """
    refuse_other_sites(request, settings)
    signed_in = await sign_in(request, body.email, body.password, body.otp)
    response.headers.update(_NOT_KEPT)
    set_session_cookies(response, settings, signed_in.access_token, signed_in.refresh_token)
    return LoginOut(user=UserOut.model_validate(signed_in.user))


@router.post("/auth/token", responses=problems(400, 401), openapi_extra=PUBLIC.label)
async def token(
    request: Request,
    response: Response,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    settings: SettingsOf,
    otp: Annotated[OneTimeCode | None, Form()] = None,
) -> TokensOut:
    """Sign an API client in (OAuth 2 password form; ``username`` is the email): the tokens are in the body."""
    signed_in = await sign_in(request, form.username, form.password, otp)
    response.headers.update(_NOT_KEPT)
    return TokensOut.of(signed_in, settings)


@router.post("/auth/refresh", responses=problems(400, 401, 403), openapi_extra=PEOPLE.label)
async def refresh(
    request: Request, response: Response, settings: SettingsOf, body: Refresh | None = None
) -> TokensOut | MessageOut:
    """Trade a refresh token for fresh tokens. It works once: using it again ends the session.

    Except within a few seconds (``REFRESH_REUSE_LEEWAY_SECONDS``): then the answer is the same successor again.
    From the body, answered in the body; or from the cookie, answered by cookies.
    """
    from_body = body.refresh_token if body else None
    shown = from_body or request.cookies.get(REFRESH_COOKIE)
    if not shown:
        raise Authentication
    if not from_body:
        check_own_page(request, settings)
    claims = read_refresh_token(shown, settings.secret_key.get_secret_value(), now())
    async with runtime_of(request).transactions.begin(ANONYMOUS) as unit:
        renewed = await actions.renew_session(unit, claims, settings)
    # After the block: the revocation of a session whose token was used twice is committed before the refusal.
    if renewed is None:
        raise RefreshTokenReused
    response.headers.update(_NOT_KEPT)
    if from_body:
        return TokensOut.of(renewed, settings)
    set_session_cookies(response, settings, renewed.access_token, renewed.refresh_token)
    return MessageOut(message="Token refreshed")


@router.post(
    "/auth/logout",
    response_model=MessageOut,
    responses={**problems(401, 403), 307: {"description": "To where the refresh cookie is sent, to end that session."}},
    openapi_extra=SIGNING_OUT.label,
)
async def logout(request: Request, response: Response, settings: SettingsOf) -> MessageOut | Response:
    """End the session and clear its cookies; with an expired access token as well.

    A browser forgets its access cookie when the token expires, and sends the refresh cookie to one address only: there
    it is sent on to. Every client that keeps cookies follows by itself.
    """
    refuse_other_sites(request, settings)
    session_id = _session_of_access_token(request, settings)
    if session_id is None:
        return RedirectResponse(LATE_LOGOUT_PATH, status_code=307)
    await _end_session(request, session_id)
    clear_session_cookies(response, settings)
    return MessageOut(message="Logged out successfully")


@router.post(LATE_LOGOUT_PATH.removeprefix("/api/v1"), responses=problems(403), openapi_extra=PUBLIC.label)
async def logout_by_refresh_token(request: Request, response: Response, settings: SettingsOf) -> MessageOut:
    """The same by the refresh cookie, without renewing anything."""
    refuse_other_sites(request, settings)
    shown = request.cookies.get(REFRESH_COOKIE)
    if shown:
        check_own_page(request, settings)
        # One that we did not sign (the secret has changed): all that can be done is to have it forgotten.
        with contextlib.suppress(InvalidToken):
            session_id = session_of_refresh_token(shown, settings.secret_key.get_secret_value())
            await _end_session(request, session_id)
    clear_session_cookies(response, settings)
    return MessageOut(message="Logged out successfully")


async def _end_session(request: Request, session_id: UUID) -> None:
    async with runtime_of(request).transactions.begin(ANONYMOUS) as unit:
        await actions.revoke_session(unit, session_id)


def _session_of_access_token(request: Request, settings: Settings) -> UUID | None:
    shown = shown_token(request, settings)
    if shown is None:
        return None
    try:
        return session_of_access_token(shown, settings.secret_key.get_secret_value())
    except InvalidToken:
        if bearer_token(request) is not None:
            raise
        return None


@router.post("/auth/ws-ticket", responses=problems(401, 403), openapi_extra=PEOPLE.label)
async def open_socket_ticket(unit: Unit, _: SignedIn, response: Response) -> SocketTicketOut:
    """A ticket with which a socket can be opened once, within 30 seconds."""
    response.headers.update(_NOT_KEPT)
    return SocketTicketOut(ticket=await actions.open_socket_ticket(unit))


@router.get("/users/me", responses=problems(401), openapi_extra=SIGNED_IN.label)
async def get_own_account(unit: Unit, actor: SignedIn) -> ProfileOut:
    """Who is signed in."""
    user = await queries.find_active_user(unit.session, actor.user_id) if actor.user_id else None
    if user is None:
        raise SessionEnded
    return ProfileOut.model_validate(user)


@router.get("/auth/profile", responses=problems(400, 401, 403), openapi_extra=PEOPLE.label)
async def get_profile(request: Request, unit: Unit, actor: SignedIn) -> ProfileOut:
    """The same as ``GET /users/me``. A token in the URL is refused."""
    if "token" in request.query_params:
        raise TokenInUrl
    return await get_own_account(unit, actor)


for _part in (sessions, passwords, second_factor, users, invitations, api_keys):
    router.include_router(_part.router)

"""What routes ask for: the signed-in actor, and one unit of work that is committed before the response leaves."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import Depends, Query, Request, Response
from msgspec import Struct

from api.identity.credentials import BEARER, COOKIE, actor_of_request
from core.actor import ANONYMOUS, Actor
from core.errors import Authentication
from core.runtime import Runtime
from core.settings import Settings
from core.unit_of_work import UnitOfWork
from domain.identity.policy import check_scope_of_request


def runtime_of(request: Request) -> Runtime:
    """The runtime that this process was started with."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def json_response(answer: Struct) -> Response:
    """An answer that needs no second look: made of ours, in the shape of the route's ``response_model``."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def settings_of(request: Request) -> Settings:
    """The settings of this process."""
    return runtime_of(request).settings


async def optional_actor(request: Request) -> Actor:
    """Who is asking; ``ANONYMOUS`` when nothing was shown. Something shown that is not valid is 401.

    Raises ``Authorization`` for a key that is not for this request.
    """
    actor = await actor_of_request(request, runtime_of(request)) or ANONYMOUS
    request.state.actor = actor
    check_scope_of_request(actor, request.method, request.url.path)
    return actor


def actor_known_by(request: Request) -> Actor:
    """Who was found to be asking before the request failed; ``ANONYMOUS`` when it did not come so far."""
    actor: Actor = getattr(request.state, "actor", ANONYMOUS)
    return actor


async def signed_in_actor(
    actor: Annotated[Actor, Depends(optional_actor)],
    _bearer: Annotated[str | None, Depends(BEARER)],
    _cookie: Annotated[str | None, Depends(COOKIE)],
) -> Actor:
    """Who is asking; 401 when nobody is signed in. The two schemes are named for the OpenAPI document."""
    if actor.user_id is None:
        raise Authentication
    return actor


async def unit_of_work(request: Request, actor: Annotated[Actor, Depends(optional_actor)]) -> AsyncIterator[UnitOfWork]:
    """One transaction for the request: rolled back when the route raises."""
    async with runtime_of(request).transactions.begin(actor) as unit:
        yield unit


async def public_unit_of_work(request: Request) -> AsyncIterator[UnitOfWork]:
    """The same without asking who asks: an old cookie, or a key for something else, is in nobody's way there."""
    async with runtime_of(request).transactions.begin(ANONYMOUS) as unit:
        yield unit


OptionalActor = Annotated[Actor, Depends(optional_actor)]
SignedIn = Annotated[Actor, Depends(signed_in_actor)]
SettingsOf = Annotated[Settings, Depends(settings_of)]
# scope="function": committed when the route has returned and before the response is sent. With FastAPI's default
# the client would read 201 before COMMIT.
Unit = Annotated[UnitOfWork, Depends(unit_of_work, scope="function")]
PublicUnit = Annotated[UnitOfWork, Depends(public_unit_of_work, scope="function")]

PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
PageLimit = Annotated[int, Query(ge=1, le=100)]

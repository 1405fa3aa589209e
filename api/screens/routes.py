"""Pairing screens with boards, and taking them down."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from api.deps import SignedIn, Unit, runtime_of
from api.idempotency import REPEATABLE, IdempotentRoute
from api.schema_docs import problems
from api.screens.schemas import Confirmation, PairingOut, Poll, PollOut, ScreenListed, ScreenOut, ScreenPage
from core.access import PUBLIC
from core.actor import ANONYMOUS
from domain.clinics.queries import get_clinic
from domain.identity.rules import digest_of
from domain.queueing.policy import WORKERS
from domain.screens import actions, queries
from domain.screens.policy import check_may_manage_screens
from domain.screens.rules import normal_code

router = APIRouter(prefix="/api/v1/screens", tags=["screens"], route_class=IdempotentRoute)

Code = Annotated[str, Path(max_length=40, examples=["BCDF-GHJK"])]
_NOT_KEPT = {"Cache-Control": "no-store"}

# Screens ask without ``Unit``: an old cookie in the browser of a screen must not stand in its way.


@router.post("/pairings", status_code=201, responses=problems(), openapi_extra=PUBLIC.label)
async def begin_pairing(request: Request, response: Response) -> PairingOut:
    """A screen asks to be paired: it gets a code to show and a secret to keep."""
    async with runtime_of(request).transactions.begin(ANONYMOUS) as unit:
        pairing = await actions.begin_pairing(unit)
    response.headers.update(_NOT_KEPT)
    return PairingOut(code=pairing.code, secret=pairing.secret, expires_at=pairing.expires_at)


@router.post("/pairings/{code}/poll", responses=problems(404), openapi_extra=PUBLIC.label)
async def poll_pairing(request: Request, response: Response, code: Code, body: Poll) -> PollOut:
    """A screen asks whether its code was confirmed; asking twice does no harm. 404: begin again."""
    response.headers.update(_NOT_KEPT)
    async with runtime_of(request).transactions.begin(ANONYMOUS) as unit:
        pairing = await queries.find_pairing(unit.session, normal_code(code), digest_of(body.secret), unit.at)
        if pairing.screen_id is None:
            return PollOut(status="pending")
        screen = await queries.get_screen(unit.session, pairing.screen_id)
        return PollOut(status="paired", token=body.secret, screen=ScreenOut.model_validate(screen))


@router.post(
    "/pairings/{code}/confirm",
    status_code=201,
    responses=problems(401, 403, 404),
    openapi_extra=WORKERS.label,
    dependencies=REPEATABLE,
)
async def confirm_pairing(unit: Unit, _: SignedIn, code: Code, body: Confirmation) -> ScreenOut:
    """Staff of the clinic confirm the code that a screen shows; it follows that board from now on, and only that."""
    return ScreenOut.model_validate(await actions.confirm_pairing(unit, code, body.queue_id, body.name))


@router.get("", responses=problems(401, 403, 404), openapi_extra=WORKERS.label)
async def list_screens(unit: Unit, actor: SignedIn, clinic_id: UUID) -> ScreenPage:
    """The screens of a clinic."""
    check_may_manage_screens(actor, (await get_clinic(unit.session, clinic_id)).id)
    found = await queries.list_screens(unit.session, clinic_id)
    items = [
        ScreenListed(**ScreenOut.model_validate(screen).model_dump(), last_used_at=last_used_at)
        for screen, last_used_at in found
    ]
    return ScreenPage(items=items, total=len(items), limit=max(len(items), 1))


@router.delete("/{screen_id}", status_code=204, responses=problems(401, 403, 404), openapi_extra=WORKERS.label)
async def revoke_screen(unit: Unit, _: SignedIn, screen_id: UUID) -> None:
    """Take a screen down; its socket closes within two seconds."""
    await actions.revoke_screen(unit, screen_id)

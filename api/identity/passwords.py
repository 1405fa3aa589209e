"""A forgotten password, and the new one."""

from fastapi import APIRouter, Request

from api.deps import runtime_of
from api.identity.schemas import Forgotten, MessageOut, Reset
from api.schema_docs import problems
from core.access import PUBLIC
from core.actor import ANONYMOUS
from domain.identity import actions_passwords

router = APIRouter(prefix="/auth")

# Not ``Unit``: an old cookie in the browser must not stand in the way of somebody who cannot sign in.


@router.post("/forgot", status_code=202, responses=problems(400), openapi_extra=PUBLIC.label)
async def forgot(request: Request, body: Forgotten) -> MessageOut:
    """Have a link for a new password mailed, within a minute. The answer is the same for every address."""
    async with runtime_of(request).transactions.begin(ANONYMOUS) as unit:
        await actions_passwords.ask_for_reset(unit, body.email)
    return MessageOut(message="If this address has an account, a letter with a link is on its way.")


@router.post("/reset", responses=problems(400), openapi_extra=PUBLIC.label)
async def reset(request: Request, body: Reset) -> MessageOut:
    """Set a new password with the token of the link, once, within 30 minutes. Everything signed in is signed out."""
    runtime = runtime_of(request)
    async with runtime.transactions.begin(ANONYMOUS) as unit:
        await actions_passwords.reset_password(unit, body.token, body.password, runtime.settings)
    return MessageOut(message="The new password is set. Sign in to continue.")

"""A user's sessions: which there are, and ending them."""

from uuid import UUID

from fastapi import APIRouter, Response

from api.deps import SettingsOf, SignedIn, Unit
from api.identity.cookies import clear_session_cookies
from api.identity.schemas import MessageOut, SessionOut, SessionPage
from api.schema_docs import problems
from core.access import PEOPLE
from domain.identity import actions, queries
from domain.identity.policy import user_of

router = APIRouter(prefix="/auth")


@router.get("/sessions", responses=problems(401, 403), openapi_extra=PEOPLE.label)
async def list_sessions(unit: Unit, actor: SignedIn) -> SessionPage:
    """Where one is signed in: each device and its last use."""
    sessions = await queries.living_sessions(unit.session, user_of(actor), "sign_in", unit.at)
    items = [SessionOut.of(session, actor.session_id) for session in sessions]
    return SessionPage(items=items, total=len(items), limit=max(len(items), 1))


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(401, 403, 404), openapi_extra=PEOPLE.label)
async def revoke_session(unit: Unit, _: SignedIn, session_id: UUID) -> None:
    """Sign one of one's own devices out; its sockets close within two seconds."""
    await actions.revoke_own_session(unit, session_id)


@router.post("/logout-all", responses=problems(401, 403), openapi_extra=PEOPLE.label)
async def log_out_everywhere(unit: Unit, actor: SignedIn, response: Response, settings: SettingsOf) -> MessageOut:
    """End all of one's sessions, this one as well. API keys go on working: revoke them one by one."""
    await actions.end_sessions(unit, user_of(actor), "signed_out_everywhere", only_sign_ins=True)
    clear_session_cookies(response, settings)
    return MessageOut(message="Logged out everywhere")

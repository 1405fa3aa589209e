"""Inviting doctors, staff and advisors."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api.deps import PageLimit, PageNumber, SignedIn, Unit, runtime_of
from api.idempotency import REPEATABLE, IdempotentRoute
from api.identity.schemas import Email, Password, Token, UserOut
from api.schema_docs import problems
from api.schema_types import Name, PhoneNumber
from core.access import ADMINISTRATORS, PUBLIC
from core.actor import ANONYMOUS, Role
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.identity import actions_invitations, queries
from domain.identity.policy import check_may_invite
from models import Invitation

router = APIRouter(prefix="/invitations", route_class=IdempotentRoute)

InvitedRole = Literal["doctor", "staff", "advisor"]


class InvitationIn(BaseModel):
    """Doctors and staff are invited to a clinic, advisors to none."""

    email: Email
    role: InvitedRole
    clinic_id: UUID | None = None


class InvitationOut(BaseModel):
    """An invitation; its token is in the letter only."""

    id: UUID
    email: str
    role: InvitedRole
    clinic_id: UUID | None
    status: Literal["open", "accepted", "revoked", "expired"]
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, invitation: Invitation, at: datetime) -> Self:
        """As it stands at that moment."""
        return cls.model_validate(
            {name: getattr(invitation, name) for name in cls.model_fields if name != "status"}
            | {"status": _status(invitation, at)}
        )


class InvitationPage(BaseModel):
    """A page of invitations, the newest first."""

    items: list[InvitationOut]
    total: int
    page: int
    limit: int


class Acceptance(BaseModel):
    """The token of the letter, and the rest of the account."""

    token: Token
    name: Name
    password: Password
    phone: PhoneNumber | None = None


def _status(invitation: Invitation, at: datetime) -> str:
    if actions_invitations.is_open(invitation, at):
        return "open"
    if invitation.accepted_at is not None:
        return "accepted"
    return "revoked" if invitation.revoked_at is not None else "expired"


@router.post(
    "",
    status_code=201,
    responses=problems(401, 403, 404, 409),
    openapi_extra=ADMINISTRATORS.label,
    dependencies=REPEATABLE,
)
async def invite(unit: Unit, _: SignedIn, body: InvitationIn) -> InvitationOut:
    """Have a letter sent with a link that makes an account, once, within a week. An earlier invitation is void."""
    invitation = await actions_invitations.invite(
        unit, email=body.email, role=Role(body.role), clinic_id=body.clinic_id
    )
    return InvitationOut.of(invitation, unit.at)


@router.get("", responses=problems(401, 403), openapi_extra=ADMINISTRATORS.audited(AuditAction.RECORD_READ))
async def list_invitations(unit: Unit, actor: SignedIn, page: PageNumber = 1, limit: PageLimit = 20) -> InvitationPage:
    """All invitations, the newest first. Each look is written into the audit."""
    check_may_invite(actor)
    found, total = await queries.list_invitations(unit.session, page, limit)
    write_entry(unit, AuditAction.RECORD_READ, "invitations", {"shown": str(len(found))})
    items = [InvitationOut.of(invitation, unit.at) for invitation in found]
    return InvitationPage(items=items, total=total, page=page, limit=limit)


@router.delete(
    "/{invitation_id}", status_code=204, responses=problems(401, 403, 404), openapi_extra=ADMINISTRATORS.label
)
async def revoke(unit: Unit, _: SignedIn, invitation_id: UUID) -> None:
    """Make an open invitation void."""
    await actions_invitations.revoke_invitation(unit, invitation_id)


@router.post("/accept", status_code=201, responses=problems(400, 409), openapi_extra=PUBLIC.label)
async def accept(request: Request, body: Acceptance) -> UserOut:
    """Make the account that the letter invites to; doctors and staff work in its clinic from now on."""
    runtime = runtime_of(request)
    async with runtime.transactions.begin(ANONYMOUS) as unit:
        user = await actions_invitations.accept_invitation(
            unit,
            token=body.token,
            name=body.name,
            password=body.password,
            phone=body.phone,
            settings=runtime.settings,
        )
    return UserOut.model_validate(user)

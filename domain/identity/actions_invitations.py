"""Inviting doctors, staff and advisors."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update

from core.actor import Role
from core.errors import ResourceNotFound, Validation
from core.ids import new_id
from core.settings import Settings
from core.tasks import SEND_EMAIL
from core.unit_of_work import UnitOfWork
from domain.identity.actions import add_account
from domain.identity.errors import EmailAlreadyRegistered, InvitationNotFound, LinkNotValid
from domain.identity.events import InvitationAccepted, InvitationSent
from domain.identity.passwords import check_password, hash_password
from domain.identity.policy import check_may_invite
from domain.identity.rules import INVITATION_LIFETIME, digest_of, email_key, normalise_email
from models import Clinic, Email, Invitation, User


async def invite(unit: UnitOfWork, *, email: str, role: Role, clinic_id: UUID | None) -> Invitation:
    """Have a link mailed with which that address becomes an account, within a week. An earlier one is void.

    Doctors and staff are invited to a clinic, advisors to none. Raises ``Authorization``, ``Validation``,
    ``ResourceNotFound`` for an unknown clinic, ``EmailAlreadyRegistered``.
    """
    invited_by = check_may_invite(unit.actor)
    address, key = normalise_email(email), email_key(email)
    if (clinic_id is not None) != (role in {Role.DOCTOR, Role.STAFF}):
        raise Validation("Doctors and staff are invited to a clinic, advisors to none.")
    if clinic_id is not None and await unit.session.get(Clinic, clinic_id) is None:
        raise ResourceNotFound("There is no such clinic.")
    if await unit.session.scalar(select(User.id).where(User.email_key == key)) is not None:
        raise EmailAlreadyRegistered
    # Of two at the same moment neither would see the other's, and both would stay open.
    await unit.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"invitation:{key}", 0))))
    await unit.session.execute(
        update(Invitation)
        .where(Invitation.email_key == key, Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))
        .values(revoked_at=unit.at)
        .execution_options(synchronize_session=False)
    )
    invitation = Invitation(
        id=new_id(),
        email=address,
        email_key=key,
        role=role,
        clinic_id=clinic_id,
        invited_by=invited_by,
        created_at=unit.at,
        expires_at=unit.at + INVITATION_LIFETIME,
    )
    unit.session.add(invitation)
    await unit.session.flush()
    letter = Email(id=new_id(), kind="invitation", to_key=key, invitation_id=invitation.id)
    unit.session.add(letter)
    unit.enqueue(SEND_EMAIL, str(letter.id))
    unit.emit(InvitationSent(invitation_id=invitation.id, role=role))
    return invitation


async def accept_invitation(
    unit: UnitOfWork, *, token: str, name: str, password: str, phone: str | None, settings: Settings
) -> User:
    """Make the account that an invitation is for; it works once.

    Raises ``UnfitPassword``, ``LinkNotValid``, ``EmailAlreadyRegistered``.
    """
    check_password(password, settings.password_min_length)
    # Before the first query: hashing takes a quarter of a second, in which no connection should be held.
    password_hash = await hash_password(password, settings.bcrypt_cost)
    # The row lock makes those who come with the same token wait: one finds it open.
    invitation = await unit.session.scalar(
        select(Invitation).where(Invitation.digest == digest_of(token)).with_for_update()
    )
    if invitation is None or not is_open(invitation, unit.at):
        raise LinkNotValid
    user = await add_account(
        unit,
        email=invitation.email,
        password_hash=password_hash,
        name=name,
        role=Role(invitation.role),
        phone=phone,
    )
    invitation.accepted_at = unit.at
    unit.emit(InvitationAccepted(invitation_id=invitation.id, user_id=user.id, clinic_id=invitation.clinic_id))
    return user


async def revoke_invitation(unit: UnitOfWork, invitation_id: UUID) -> None:
    """Make an invitation void. Raises ``Authorization``, ``InvitationNotFound`` when it is not open."""
    check_may_invite(unit.actor)
    invitation = await unit.session.scalar(select(Invitation).where(Invitation.id == invitation_id).with_for_update())
    if invitation is None or not is_open(invitation, unit.at):
        raise InvitationNotFound
    invitation.revoked_at = unit.at


def is_open(invitation: Invitation, at: datetime) -> bool:
    """It can still be accepted."""
    return invitation.accepted_at is None and invitation.revoked_at is None and invitation.expires_at > at

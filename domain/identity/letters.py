"""Letters with links that open accounts: claimed by a worker, worded when they are sent, and concluded.

A letter goes out at least once: a worker that dies between the mail server and the conclusion leaves one that is sent
again, with a link of its own. Both work, for resets; of an invitation, the newest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select

from core.ids import new_token
from core.settings import Settings
from core.tasks import SEND_EMAIL
from core.unit_of_work import UnitOfWork
from domain.identity.actions_invitations import is_open
from domain.identity.rules import RESET_LIFETIME, digest_of
from models import Email, Invitation, PasswordReset, User

MAX_ATTEMPTS: Final = 8

_LEASE: Final = timedelta(seconds=120)
_RETRY_AFTER: Final = timedelta(seconds=15)
_TOLD_AGAIN_AFTER: Final = timedelta(seconds=30)
# Whoever asks for somebody else's resets again and again does not fill a letter-box by it.
_RESETS_APART: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=7)
_DELETED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Letter:
    """One attempt to send one letter."""

    email_id: UUID
    attempt: int
    to: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class _Words:
    to: str
    subject: str
    body: str


async def claim_letter(unit: UnitOfWork, email_id: UUID, settings: Settings) -> Letter | None:
    """Take a letter that is due and word it; ``None`` where there is nothing to send, or somebody else is at it."""
    email = await unit.session.scalar(
        select(Email)
        .where(Email.id == email_id, Email.status.in_(["pending", "sending"]))
        .with_for_update(skip_locked=True)
    )
    is_leased = email is not None and email.status == "sending" and email.due_at > unit.at
    if email is None or is_leased:
        return None
    if email.attempts >= MAX_ATTEMPTS:
        email.status = "failed"
        return None
    words = await (_reset(unit, email, settings) if email.kind == "password_reset" else _invite(unit, email, settings))
    if words is None:
        email.status = "suppressed"
        return None
    email.status, email.due_at, email.attempts = "sending", unit.at + _LEASE, email.attempts + 1
    return Letter(email.id, email.attempts, words.to, words.subject, words.body)


async def conclude_letter(unit: UnitOfWork, letter: Letter, error_code: str | None, *, is_final: bool) -> str | None:
    """Write down what came of an attempt: sent without ``error_code``, else failed for good or to be tried again.

    Returns the status; ``None`` when a later attempt has taken over.
    """
    email = await unit.session.scalar(select(Email).where(Email.id == letter.email_id).with_for_update())
    if email is None or email.status != "sending" or email.attempts != letter.attempt:
        return None
    email.error_code = error_code
    if error_code is None:
        email.status, email.sent_at = "sent", unit.at
    elif is_final or email.attempts >= MAX_ATTEMPTS:
        email.status = "failed"
    else:
        email.status, email.due_at = "pending", unit.at + _RETRY_AFTER * 2 ** (email.attempts - 1)
    return email.status


async def hand_out_overdue_letters(unit: UnitOfWork, limit: int) -> Sequence[UUID]:
    """Ask the workers for letters whose time has come, and forget those that were concluded a week ago."""
    overdue = await unit.session.scalars(
        select(Email)
        .where(Email.status.in_(["pending", "sending"]), Email.due_at <= unit.at)
        .order_by(Email.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    handed_out = list(overdue)
    for email in handed_out:
        if email.status == "pending":
            email.due_at = unit.at + _TOLD_AGAIN_AFTER
        unit.enqueue(SEND_EMAIL, str(email.id))
    await unit.session.flush()
    old = (
        select(Email.id)
        .where(Email.updated_at < unit.at - _KEPT, Email.status.not_in(["pending", "sending"]))
        .limit(_DELETED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await unit.session.execute(delete(Email).where(Email.id.in_(old)).execution_options(synchronize_session=False))
    await unit.session.execute(
        delete(PasswordReset).where(PasswordReset.expires_at <= unit.at).execution_options(synchronize_session=False)
    )
    return [email.id for email in handed_out]


async def _reset(unit: UnitOfWork, email: Email, settings: Settings) -> _Words | None:
    # The account's row lock: of two letters to one person that are worded at once, the second sees the first.
    user = await unit.session.scalar(
        select(User).where(User.email_key == email.to_key, User.is_active).with_for_update(key_share=True)
    )
    if user is None or await _was_written_to(unit, email):
        return None
    token = new_token()
    unit.session.add(
        PasswordReset(digest=digest_of(token), user_id=user.id, created_at=unit.at, expires_at=unit.at + RESET_LIFETIME)
    )
    minutes = int(RESET_LIFETIME.total_seconds()) // 60
    body = (
        f"Hello {user.name},\n\n"
        "somebody, probably you, asked for a new password for this address at Carebell. Choose one here:\n\n"
        f"{_link(settings, 'reset', token)}\n\n"
        f"The link works once, for {minutes} minutes. If it was not you, do nothing: your password stays as it is.\n"
    )
    return _Words(user.email, "A new password for Carebell", body)


async def _was_written_to(unit: UnitOfWork, email: Email) -> bool:
    other = (
        select(Email.id)
        .where(
            Email.to_key == email.to_key,
            Email.kind == email.kind,
            Email.id != email.id,
            Email.status.in_(["sending", "sent"]),
            Email.created_at > unit.at - _RESETS_APART,
        )
        .limit(1)
    )
    return await unit.session.scalar(other) is not None


async def _invite(unit: UnitOfWork, email: Email, settings: Settings) -> _Words | None:
    invitation = await unit.session.scalar(
        select(Invitation).where(Invitation.id == email.invitation_id).with_for_update()
    )
    if invitation is None or not is_open(invitation, unit.at):
        return None
    token = new_token()
    invitation.digest = digest_of(token)
    body = (
        "Hello,\n\n"
        f"you are invited to join Carebell as {invitation.role}. Make your account here:\n\n"
        f"{_link(settings, 'join', token)}\n\n"
        f"The link works once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC.\n"
    )
    return _Words(invitation.email, "Your invitation to Carebell", body)


def _link(settings: Settings, page: str, token: str) -> str:
    """The token is behind the #: browsers send it to no server, and it ends up in no log."""
    return f"{settings.public_url.rstrip('/')}/{page}#token={token}"

"""What happens to accounts and sessions is written down in the same transaction."""

from core.events import reacts_to
from core.unit_of_work import UnitOfWork
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.identity.events import (
    ApiKeyMade,
    InvitationAccepted,
    InvitationSent,
    PasswordReset,
    SecondFactorChanged,
    SessionRevoked,
    SignedIn,
    UserChanged,
    UserRegistered,
)


@reacts_to(SignedIn)
async def note_sign_in(unit: UnitOfWork, fact: SignedIn) -> None:
    """By whom it was known only after the password."""
    subject = f"user:{fact.user_id}"
    write_entry(unit, AuditAction.SIGNED_IN, subject, {"session_id": str(fact.session_id)}, actor_id=fact.user_id)


@reacts_to(SessionRevoked)
async def note_end_of_session(unit: UnitOfWork, fact: SessionRevoked) -> None:
    """Signed out, or ended by somebody or something else: the reason says."""
    subject = f"user:{fact.user_id}"
    write_entry(unit, AuditAction.SESSION_ENDED, subject, {"session_id": str(fact.session_id), "reason": fact.reason})


@reacts_to(UserRegistered)
async def note_new_user(unit: UnitOfWork, fact: UserRegistered) -> None:
    """With the role that they start with."""
    write_entry(unit, AuditAction.USER_CREATED, f"user:{fact.user_id}", {"role": fact.role})


@reacts_to(UserChanged)
async def note_change_of_user(unit: UnitOfWork, fact: UserChanged) -> None:
    """One entry for the role, one for being active."""
    subject = f"user:{fact.user_id}"
    if fact.role != fact.role_before:
        write_entry(unit, AuditAction.ROLE_CHANGED, subject, {"role": fact.role, "role_before": fact.role_before})
    if fact.is_active != fact.was_active:
        action = AuditAction.USER_REACTIVATED if fact.is_active else AuditAction.USER_DEACTIVATED
        write_entry(unit, action, subject)


@reacts_to(PasswordReset)
async def note_password_reset(unit: UnitOfWork, fact: PasswordReset) -> None:
    """Whoever has the letter is taken for its addressee."""
    write_entry(unit, AuditAction.PASSWORD_RESET, f"user:{fact.user_id}", actor_id=fact.user_id)


@reacts_to(SecondFactorChanged)
async def note_second_factor(unit: UnitOfWork, fact: SecondFactorChanged) -> None:
    """Set up or removed."""
    action = AuditAction.SECOND_FACTOR_SET if fact.is_enabled else AuditAction.SECOND_FACTOR_REMOVED
    write_entry(unit, action, f"user:{fact.user_id}")


@reacts_to(ApiKeyMade)
async def note_api_key(unit: UnitOfWork, fact: ApiKeyMade) -> None:
    """What it may do, not the key."""
    facts = {"session_id": str(fact.session_id), "scopes": " ".join(fact.scopes)}
    write_entry(unit, AuditAction.API_KEY_MADE, f"user:{fact.user_id}", facts)


@reacts_to(InvitationSent)
async def note_invitation(unit: UnitOfWork, fact: InvitationSent) -> None:
    """The role that is offered, not to which address."""
    write_entry(unit, AuditAction.INVITATION_SENT, f"invitation:{fact.invitation_id}", {"role": fact.role})


@reacts_to(InvitationAccepted)
async def note_accepted_invitation(unit: UnitOfWork, fact: InvitationAccepted) -> None:
    """Who it became, and where they work."""
    facts = {} if fact.clinic_id is None else {"clinic_id": str(fact.clinic_id)}
    subject = f"invitation:{fact.invitation_id}"
    write_entry(unit, AuditAction.INVITATION_ACCEPTED, subject, facts, actor_id=fact.user_id)

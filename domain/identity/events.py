"""What happened to accounts and sessions. For other rooms; none of it goes on a channel."""

from typing import ClassVar
from uuid import UUID

from core.events import Event


class UserRegistered(Event, frozen=True, kw_only=True):
    """An account was made."""

    name: ClassVar[str] = "user.registered"

    user_id: UUID
    role: str


class SessionRevoked(Event, frozen=True, kw_only=True):
    """A session was ended before its time: its tokens are dead and its sockets close."""

    name: ClassVar[str] = "session.revoked"

    session_id: UUID
    user_id: UUID
    reason: str


class SignedIn(Event, frozen=True, kw_only=True):
    """Somebody signed in on a device."""

    name: ClassVar[str] = "session.opened"

    session_id: UUID
    user_id: UUID


class UserChanged(Event, frozen=True, kw_only=True):
    """An account has another role, or was deactivated or reactivated."""

    name: ClassVar[str] = "user.changed"

    user_id: UUID
    role: str
    role_before: str
    is_active: bool
    was_active: bool


class PasswordReset(Event, frozen=True, kw_only=True):
    """A password was replaced by way of a mailed link."""

    name: ClassVar[str] = "password.reset"

    user_id: UUID


class InvitationSent(Event, frozen=True, kw_only=True):
    """Somebody was invited."""

    name: ClassVar[str] = "invitation.sent"

    invitation_id: UUID
    role: str


class InvitationAccepted(Event, frozen=True, kw_only=True):
    """An invitation became an account; ``clinic_id`` is where that user works from now on."""

    name: ClassVar[str] = "invitation.accepted"

    invitation_id: UUID
    user_id: UUID
    clinic_id: UUID | None


class SecondFactorChanged(Event, frozen=True, kw_only=True):
    """A second factor was set up or removed."""

    name: ClassVar[str] = "second_factor.changed"

    user_id: UUID
    is_enabled: bool


class ApiKeyMade(Event, frozen=True, kw_only=True):
    """A key for a machine."""

    name: ClassVar[str] = "api_key.made"

    session_id: UUID
    user_id: UUID
    scopes: list[str]

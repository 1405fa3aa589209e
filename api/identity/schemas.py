"""Shapes of identity."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from api.schema_types import Name, PhoneNumber, Text
from core.actor import Role
from core.settings import Settings
from domain.identity.actions import SignIn
from domain.identity.rules import SOCKET_TICKET_LIFETIME, device_of
from models import Session, User

Email = Annotated[Text, StringConstraints(min_length=3, max_length=254), Field(examples=["ada@example.com"])]
# Not stripped: a space is a character like others. How long it may be is decided by the domain, in bytes.
Password = Annotated[str, Field(min_length=1, max_length=1000, json_schema_extra={"format": "password"})]
PersonRole = Literal["admin", "doctor", "staff", "advisor", "patient"]
OneTimeCode = Annotated[
    str, Field(max_length=40, description="A code of the authenticator app, or a recovery code.", examples=["492039"])
]
Token = Annotated[str, Field(min_length=1, max_length=200)]

# Stands where a field need not be sent and cannot be null; only what was sent is looked at (``exclude_unset``).
_NOT_SENT: Any = None


class Registration(BaseModel):
    """A new account. ``mobile_no`` is another name for ``phone``.

    A doctor may have a ``specialization``, staff a ``department``.
    """

    email: Email
    password: Password
    name: Name
    phone: PhoneNumber | None = Field(None, validation_alias=AliasChoices("phone", "mobile_no"))
    role: PersonRole = "patient"
    specialization: Name | None = None
    department: Name | None = None


class Login(BaseModel):
    """Email and password. Nothing is said about what an address or a password looks like: that is for registering."""

    email: Annotated[str, Field(max_length=1000, examples=["ada@example.com"])]
    password: Password
    otp: OneTimeCode | None = None


class UserOut(BaseModel):
    """A user as others are told of them."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    role: Role


class ProfileOut(UserOut):
    """A user's own account."""

    phone: str | None
    specialization: str | None
    department: str | None
    created_at: datetime


class LoginOut(BaseModel):
    """The tokens are in the cookies."""

    user: UserOut


class TokensOut(BaseModel):
    """An OAuth 2 token response (RFC 6749, 5.1); ``expires_in`` seconds of the access token."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the word of the standard
    expires_in: int
    user: UserOut

    @classmethod
    def of(cls, sign_in: SignIn, settings: Settings) -> Self:
        """From a sign-in."""
        return cls(
            access_token=sign_in.access_token,
            refresh_token=sign_in.refresh_token,
            expires_in=settings.access_token_minutes * 60,
            user=UserOut.model_validate(sign_in.user),
        )


class Refresh(BaseModel):
    """For clients without cookies; browsers send nothing here."""

    refresh_token: Annotated[str, Field(max_length=4096)] | None = None


class MessageOut(BaseModel):
    """Done; a sentence for people."""

    message: str


class SocketTicketOut(BaseModel):
    """A single-use ticket for ``/api/v1/ws?ticket=…``; ``expires_in`` seconds."""

    ticket: str
    expires_in: int = int(SOCKET_TICKET_LIFETIME.total_seconds())


class Forgotten(BaseModel):
    """The address of an account, perhaps."""

    email: Annotated[str, Field(max_length=1000, examples=["ada@example.com"])]


class Reset(BaseModel):
    """The token of the mailed link, and the new password."""

    token: Token
    password: Password


class SessionOut(BaseModel):
    """A sign-in on one device, named after what the browser or program called itself."""

    id: UUID
    device: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool

    @classmethod
    def of(cls, session: Session, current: UUID | None) -> Self:
        """From a session's row."""
        return cls(
            id=session.id,
            device=device_of(session.user_agent),
            user_agent=session.user_agent,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            is_current=session.id == current,
        )


class SessionPage(BaseModel):
    """All of a user's sessions, the last used one first."""

    items: list[SessionOut]
    total: int
    page: int = 1
    limit: int


class ProfileChange(BaseModel):
    """What is not sent is left as it is; ``null`` takes a value away."""

    name: Name = _NOT_SENT
    phone: PhoneNumber | None = None
    specialization: Name | None = None
    department: Name | None = None


class AccountChange(ProfileChange):
    """What administrators can change besides."""

    role: PersonRole = _NOT_SENT
    is_active: bool = _NOT_SENT


class AccountOut(ProfileOut):
    """An account as administrators see it, and the clinics that a doctor or staff member works in."""

    is_active: bool
    clinic_ids: list[UUID]

    @classmethod
    def of(cls, user: User, clinic_ids: list[UUID]) -> Self:
        """From the rows."""
        profile = ProfileOut.model_validate(user).model_dump()
        return cls(**profile, is_active=user.is_active, clinic_ids=clinic_ids)


class AccountPage(BaseModel):
    """A page of accounts by name; ``next_cursor`` is the ``cursor`` of the next page."""

    items: list[AccountOut]
    total: int
    page: int
    limit: int
    next_cursor: UUID | None


class UserRegistration(BaseModel):
    """A new patient's account, in the words of document 000."""

    username: Name
    email: Email
    password: Password


class UserRegistered(BaseModel):
    """Its answer."""

    msg: str = "User created successfully"
    user_id: UUID

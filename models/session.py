"""Sessions (of people, keys and screens), the refresh tokens that renew them, and tickets that open sockets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, LargeBinary, String, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified


class Session(Identified, Base):
    """One sign-in on one device, whose id is the ``sid`` claim; or the standing sign-in of an API key or a screen.

    Those two show a key, of which only the SHA-256 is kept (``key_digest``), and may do no more than their ``scopes``;
    without scopes a session may do what its user may. Revoking it ends its tokens and sockets, whatever its kind.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("kind IN ('sign_in', 'api_key', 'screen')", name="kind"),
        # What shows a key is limited by name: a row that forgot its scopes must not be able to do everything.
        CheckConstraint("kind = 'sign_in' OR scopes IS NOT NULL", name="scopes"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    user_agent: Mapped[str] = mapped_column(server_default="", default="")
    kind: Mapped[str] = mapped_column(server_default="sign_in", default="sign_in")
    label: Mapped[str] = mapped_column(server_default="", default="")
    scopes: Mapped[list[str] | None] = mapped_column(ARRAY(String))
    key_digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    key_hint: Mapped[str] = mapped_column(server_default="", default="")


class RefreshToken(Identified, Base):
    """A refresh token of a session; using one again after the leeway ends the session. Its id is the ``jti`` claim.

    One that was traded has the ``used_at`` that is the ``created_at`` of its successor.
    """

    __tablename__ = "refresh_tokens"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


class SocketTicket(Base):
    """A single-use ticket that signs a socket in; only its SHA-256 is kept."""

    __tablename__ = "socket_tickets"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(index=True)

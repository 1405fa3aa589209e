"""Invitations to doctors, staff and advisors."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified


class Invitation(Identified, Base):
    """Lets whoever holds its token make one account with that address and role; only the token's SHA-256 is kept.

    The token is made when the letter is sent, so that ``digest`` is empty before.
    """

    __tablename__ = "invitations"
    __table_args__ = (CheckConstraint("role IN ('doctor', 'staff', 'advisor')", name="role"),)

    email: Mapped[str]
    email_key: Mapped[str] = mapped_column(index=True)
    role: Mapped[str]
    clinic_id: Mapped[UUID | None] = mapped_column(ForeignKey("clinics.id"))
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

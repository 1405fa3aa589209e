"""E-mail on its way out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified, Timestamped


class Email(Identified, Timestamped, Base):
    """One letter: claimed with a lease, so that a killed worker's work is taken up again.

    Only what it is about is kept. Its words are made when it is sent, and with them the token in its link: no table
    ever holds one that works. ``to_key`` is the normal form of the address; whether anybody has it is not known here.
    """

    __tablename__ = "emails"
    __table_args__ = (
        CheckConstraint("kind IN ('password_reset', 'invitation')", name="kind"),
        CheckConstraint("status IN ('pending', 'sending', 'sent', 'failed', 'suppressed')", name="status"),
        CheckConstraint("kind <> 'invitation' OR invitation_id IS NOT NULL", name="subject"),
        # What the sweep looks for.
        Index("ix_emails_due", "due_at", postgresql_where=text("status IN ('pending', 'sending')")),
        Index("ix_emails_to_key_created_at", "to_key", "created_at"),
    )

    kind: Mapped[str]
    to_key: Mapped[str]
    invitation_id: Mapped[UUID | None] = mapped_column(ForeignKey("invitations.id"))
    status: Mapped[str] = mapped_column(server_default="pending", default="pending")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    error_code: Mapped[str | None]
    sent_at: Mapped[datetime | None]

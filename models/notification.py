"""What people are told, and each attempt to tell them."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified, Timestamped


class Notification(Identified, Timestamped, Base):
    """One piece of news for one person. ``user_id`` is empty for someone without an account, who is told by SMS only.

    News of the same ``subject_key`` joins while it is unread: ten chat messages are one notification with ``count`` 10.
    One that its person removed is kept for the deliveries that it had.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index(
            "uq_notifications_unread_subject",
            "user_id",
            "subject_key",
            unique=True,
            postgresql_where=text("read_at IS NULL AND subject_key IS NOT NULL"),
        ),
        Index("ix_notifications_user_id_updated_at", "user_id", "updated_at", "id"),
        # Counted for every event on the person's channel.
        Index("ix_notifications_unread", "user_id", postgresql_where=text("read_at IS NULL")),
    )

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    type: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    subject_key: Mapped[str | None]
    count: Mapped[int] = mapped_column(server_default="1", default=1)
    read_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class NotificationPreference(Base):
    """What a person does not want by SMS (types of notifications), and when. Without a row they want all of it, always.

    Quiet hours are by the clock of their time zone (an IANA name), from ``quiet_from`` until before ``quiet_to``.
    """

    __tablename__ = "notification_preferences"
    __table_args__ = (CheckConstraint("num_nulls(quiet_from, quiet_to, time_zone) IN (0, 3)", name="quiet_hours"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    sms_off: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    quiet_from: Mapped[time | None]
    quiet_to: Mapped[time | None]
    time_zone: Mapped[str | None]


class Delivery(Identified, Timestamped, Base):
    """One channel of one notification: claimed with a lease, so that a killed worker's work is taken up again."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notification_id", "channel"),
        CheckConstraint("channel IN ('sms', 'push', 'email')", name="channel"),
        CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'delivered', 'failed', 'undeliverable', 'suppressed', 'unknown',"
            " 'cancelled')",
            name="status",
        ),
        # What the sweep looks for.
        Index(
            "ix_deliveries_due",
            "due_at",
            postgresql_where=text("status IN ('pending', 'sending', 'failed', 'unknown')"),
        ),
    )

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id"))
    channel: Mapped[str]
    address: Mapped[str]
    body: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending", default="pending")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    provider: Mapped[str | None]
    provider_id: Mapped[str | None] = mapped_column(index=True)
    error_code: Mapped[str | None]
    sent_at: Mapped[datetime | None]


class LocalMessage(Identified, Base):
    """What the ``local`` providers "sent", the text of a delivery or an e-mail: the development outbox."""

    __tablename__ = "local_messages"
    __table_args__ = (CheckConstraint("num_nonnulls(delivery_id, email_id) = 1", name="source"),)

    delivery_id: Mapped[UUID | None] = mapped_column(ForeignKey("deliveries.id"), unique=True)
    email_id: Mapped[UUID | None] = mapped_column(ForeignKey("emails.id", ondelete="CASCADE"), unique=True)
    to: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)

"""Reads and row locks of notifications and their deliveries."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, Uuid, any_, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from core.errors import Validation
from domain.notifications.errors import NotificationNotFound
from domain.notifications.events import NotificationView
from domain.notifications.rules import MAX_ATTEMPTS, DeliveryStatus, NotificationType, QuietHours
from models import Delivery, LocalMessage, Notification, NotificationPreference, Patient, Ticket, User

SNAPSHOT_NOTIFICATIONS: Final = 20
OUTBOX_MESSAGES: Final = 100

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Notifications, those with the latest news first; ``next_cursor`` leads to the next page, None on the last one."""

    items: list[Notification]
    next_cursor: str | None


def view(notification: Notification) -> NotificationView:
    """The notification as it goes over the wire."""
    return NotificationView(
        id=notification.id,
        type=notification.type,
        title=notification.title,
        body=notification.body,
        data=notification.data,
        count=notification.count,
        is_read=notification.read_at is not None,
        created_at=notification.created_at,
        updated_at=notification.updated_at,
    )


async def lock_inbox(session: AsyncSession, user_id: UUID) -> None:
    """Let one transaction at a time change that person's notifications, to COMMIT.

    The number of unread ones that goes out with each event is then right in the order of the events. Whoever locks
    several inboxes does so in the order of their ids. FOR NO KEY UPDATE leaves foreign keys to the user alone.
    """
    await session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))


async def lock_notification(session: AsyncSession, notification_id: UUID, user_id: UUID) -> Notification:
    """That person's notification; the caller holds the inbox. Raises ``NotificationNotFound`` for everybody else."""
    found: Notification | None = await session.scalar(
        _of(user_id)
        .where(Notification.id == notification_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotificationNotFound
    return found


async def find_unread_subject(session: AsyncSession, user_id: UUID, subject_key: str) -> Notification | None:
    """The unread notification in which news of that subject joins; the caller holds the inbox."""
    found: Notification | None = await session.scalar(
        _of(user_id)
        .where(Notification.subject_key == subject_key, Notification.read_at.is_(None))
        .execution_options(populate_existing=True)
    )
    return found


async def count_unread(session: AsyncSession, user_id: UUID) -> int:
    """How many notifications that person has not read."""
    unread = _of(user_id).where(Notification.read_at.is_(None)).with_only_columns(func.count())
    return await session.scalar(unread) or 0


async def count_unread_of(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many notifications each of them has not read; who has read all is left out."""
    rows = await session.execute(
        select(Notification.user_id, func.count())
        .where(Notification.user_id.in_(user_ids), Notification.read_at.is_(None), Notification.removed_at.is_(None))
        .group_by(Notification.user_id)
    )
    return {user_id: count for user_id, count in rows if user_id is not None}


async def list_notifications(
    session: AsyncSession,
    user_id: UUID,
    *,
    limit: int,
    is_read: bool | None = None,
    notification_type: str | None = None,
    cursor: str | None = None,
) -> NotificationPage:
    """That person's notifications, those with the latest news first. Raises ``Validation`` for a bad cursor."""
    wanted = _of(user_id)
    if is_read is not None:
        wanted = wanted.where(Notification.read_at.is_not(None) if is_read else Notification.read_at.is_(None))
    if notification_type is not None:
        wanted = wanted.where(Notification.type == notification_type)
    if cursor is not None:
        wanted = wanted.where(tuple_(Notification.updated_at, Notification.id) < _parse_cursor(cursor))
    newest_first = wanted.order_by(Notification.updated_at.desc(), Notification.id.desc())
    # One more than asked for tells whether there is a next page.
    found = (await session.scalars(newest_first.limit(limit + 1))).all()
    return NotificationPage(list(found[:limit]), _cursor_after(found[limit - 1]) if len(found) > limit else None)


async def user_snapshot(session: AsyncSession, user_id: UUID) -> dict[str, Any]:
    """What ``user:{id}`` starts from: how many are unread, and the 20 with the latest news."""
    newest = await list_notifications(session, user_id, limit=SNAPSHOT_NOTIFICATIONS)
    return {
        "unread": await count_unread(session, user_id),
        "notifications": [view(notification) for notification in newest.items],
    }


async def find_phones(
    session: AsyncSession, user_ids: Collection[UUID], notification_type: NotificationType
) -> dict[UUID, str]:
    """The numbers of active accounts, else those of their patient records, for news of that type.

    Who has none is left out, and who does not want such news by SMS.
    """
    if not user_ids:
        return {}
    phone = func.coalesce(User.phone, Patient.phone)
    rows = await session.execute(
        select(User.id, phone)
        .outerjoin(Patient, Patient.user_id == User.id)
        .where(User.id.in_(user_ids), User.is_active, phone.is_not(None), ~_is_muted(User.id, notification_type))
    )
    return {row[0]: row[1] for row in rows}


async def has_muted(session: AsyncSession, user_id: UUID, notification_type: NotificationType) -> bool:
    """Whether that person does not want news of that type by SMS."""
    return bool(await session.scalar(select(_is_muted(literal(user_id, Uuid()), notification_type))))


def _is_muted(
    user_id: ColumnElement[UUID] | InstrumentedAttribute[UUID], notification_type: NotificationType
) -> ColumnElement[bool]:
    muted = literal(notification_type, String()) == any_(NotificationPreference.sms_off)
    return select(NotificationPreference.user_id).where(NotificationPreference.user_id == user_id, muted).exists()


async def sms_choices(session: AsyncSession, user_id: UUID) -> dict[NotificationType, bool]:
    """For each type of news, whether that person wants it by SMS."""
    off = await session.scalar(select(NotificationPreference.sms_off).where(NotificationPreference.user_id == user_id))
    return {kind: kind not in (off or []) for kind in NotificationType}


async def find_quiet_hours(session: AsyncSession, user_id: UUID) -> QuietHours | None:
    """When that person wants no SMS that can wait."""
    found = await session.get(NotificationPreference, user_id)
    if found is None or found.quiet_from is None or found.quiet_to is None or found.time_zone is None:
        return None
    return QuietHours(found.quiet_from, found.quiet_to, found.time_zone)


async def state_of_ticket(session: AsyncSession, ticket_id: UUID) -> tuple[str, datetime | None] | None:
    """That ticket's status and when it was called last; None when there is none."""
    row = (await session.execute(select(Ticket.status, Ticket.called_at).where(Ticket.id == ticket_id))).one_or_none()
    return (row.status, row.called_at) if row else None


async def lock_claimable(
    session: AsyncSession, delivery_id: UUID, at: datetime
) -> tuple[Delivery, Notification] | None:
    """That delivery, locked, when there is something to do for it and nobody else is at it."""
    row = (
        await session.execute(
            select(Delivery, Notification)
            .join(Notification, Notification.id == Delivery.notification_id)
            .where(Delivery.id == delivery_id, _is_due(at) | _is_abandoned(at))
            .with_for_update(of=Delivery, skip_locked=True)
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


async def lock_overdue(session: AsyncSession, at: datetime, limit: int) -> list[Delivery]:
    """Deliveries whose time has come and that nobody was told about, oldest first, locked."""
    untold = Delivery.lease_until.is_(None) | (Delivery.lease_until < at)
    rows = await session.scalars(
        select(Delivery)
        .where((_is_due(at) & untold) | _is_abandoned(at))
        .order_by(Delivery.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(rows)


async def lock_delivery(session: AsyncSession, delivery_id: UUID) -> Delivery:
    """That delivery, locked; it exists, since it was claimed before."""
    found = await session.scalar(
        select(Delivery).where(Delivery.id == delivery_id).with_for_update().execution_options(populate_existing=True)
    )
    assert found is not None
    return found


async def known_provider_ids(session: AsyncSession, provider_ids: Collection[str]) -> set[str]:
    """Those of the provider's messages that belong to a delivery already."""
    return {
        provider_id
        for provider_id in await session.scalars(
            select(Delivery.provider_id).where(Delivery.provider_id.in_(provider_ids))
        )
        if provider_id is not None
    }


async def outbox(session: AsyncSession) -> list[LocalMessage]:
    """The last 100 messages that the ``local`` provider took, newest first."""
    newest = select(LocalMessage).order_by(LocalMessage.created_at.desc(), LocalMessage.id.desc())
    return list(await session.scalars(newest.limit(OUTBOX_MESSAGES)))


def _of(user_id: UUID) -> Select[Any]:
    return select(Notification).where(Notification.user_id == user_id, Notification.removed_at.is_(None))


def _is_due(at: datetime) -> ColumnElement[bool]:
    waiting = Delivery.status.in_([DeliveryStatus.PENDING, DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN])
    return waiting & (Delivery.due_at <= at) & (Delivery.attempts < MAX_ATTEMPTS)


def _is_abandoned(at: datetime) -> ColumnElement[bool]:
    """A worker took it and did not come back in time."""
    return (Delivery.status == DeliveryStatus.SENDING) & (Delivery.lease_until < at)


def _cursor_after(notification: Notification) -> str:
    """Whole microseconds since 1970, as PostgreSQL keeps them, and the id."""
    return f"{(notification.updated_at - _EPOCH) // _MICROSECOND}.{notification.id}"


def _parse_cursor(cursor: str) -> tuple[datetime, UUID]:
    microseconds, _, identifier = cursor.partition(".")
    try:
        return _EPOCH + int(microseconds) * _MICROSECOND, UUID(identifier)
    except (ValueError, OverflowError):
        raise Validation("The cursor is not one that a page of this list ended with.") from None

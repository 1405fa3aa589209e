"""What is told to people, and what they do with it. Each function checks, changes and emits; the door commits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, text, update
from sqlalchemy.dialects.postgresql import insert

from core.clock import now
from core.errors import Validation
from core.ids import new_id
from core.tasks import SEND_SMS
from core.unit_of_work import UnitOfWork
from domain.notifications import policy, queries, rules
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted, user_channel
from domain.notifications.rules import DeliveryStatus, NotificationType
from models import Delivery, Notification, NotificationPreference


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell. News of the same ``subject_key`` joins while it is unread."""

    type: NotificationType
    text: rules.Text
    data: dict[str, Any]
    subject_key: str | None = None


@dataclass(frozen=True, slots=True)
class Sms:
    """When to send the text, and where to: ``address``, or the person's own number where they have one.

    ``region`` reads a number without country code.
    """

    region: str
    address: str | None = None
    delay: timedelta = timedelta()


async def notify(unit: UnitOfWork, user_id: UUID | None, news: News, sms: Sms) -> Notification:
    """Tell a person, in the product and by SMS unless they do not want that; without ``user_id`` by SMS only.

    What joins an unread notification is not sent again.
    """
    if user_id is not None:
        await queries.lock_inbox(unit.session, user_id)
    notification = await _upsert(unit, user_id, news)
    is_muted = user_id is not None and await queries.has_muted(unit.session, user_id, news.type)
    if notification.count == 1 and not is_muted:
        phones = await queries.find_phones(unit.session, [user_id] if user_id else [], news.type)
        plan_delivery(unit, notification, news.text.sms, sms, phones.get(user_id) if user_id else None)
    await _tell(unit, notification)
    return notification


async def mark_read(unit: UnitOfWork, notification_id: UUID) -> Notification:
    """Mark one of the caller's notifications as read. Raises ``Authentication``, ``NotificationNotFound``."""
    user_id = policy.user_of(unit.actor)
    await queries.lock_inbox(unit.session, user_id)
    notification = await queries.lock_notification(unit.session, notification_id, user_id)
    if notification.read_at is None:
        await _set_read(unit, notification)
        await _tell(unit, notification)
    return notification


async def mark_all_read(unit: UnitOfWork) -> None:
    """Mark all of the caller's notifications as read. Raises ``Authentication``."""
    user_id = policy.user_of(unit.actor)
    await queries.lock_inbox(unit.session, user_id)
    read = await unit.session.execute(
        update(Notification)
        .where(Notification.user_id == user_id, Notification.read_at.is_(None))
        # Its place in the list is that of its news, not of its reading.
        .values(read_at=unit.at, updated_at=Notification.updated_at)
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    )
    if read.all():
        unit.emit(NotificationsRead(unread=0), user_channel(user_id))


async def remove(unit: UnitOfWork, notification_id: UUID) -> None:
    """Take one of the caller's notifications away. Raises ``Authentication``, ``NotificationNotFound``."""
    user_id = policy.user_of(unit.actor)
    await queries.lock_inbox(unit.session, user_id)
    notification = await queries.lock_notification(unit.session, notification_id, user_id)
    # Removed is read as well: later news of the same subject is a notification of its own.
    await _set_read(unit, notification, removed_at=unit.at)
    unread = await queries.count_unread(unit.session, user_id)
    unit.emit(NotificationRemoved(id=notification_id, unread=unread), user_channel(user_id))


async def mark_subject_read(unit: UnitOfWork, user_id: UUID, subject_key: str, seq: int) -> None:
    """Somebody has seen the subject itself up to ``seq``: what was told about it until there is read."""
    await queries.lock_inbox(unit.session, user_id)
    notification = await queries.find_unread_subject(unit.session, user_id, subject_key)
    if notification is not None and notification.data["seq"] <= seq:
        await _set_read(unit, notification)
        await _tell(unit, notification)


async def choose_sms(unit: UnitOfWork, changes: Mapping[NotificationType, bool]) -> dict[NotificationType, bool]:
    """Say which news the caller wants by SMS; a type that is not named stays. Returns all of them.

    What is on its way already is looked at again before it is sent. Raises ``Authentication``.
    """
    user_id = policy.user_of(unit.actor)
    await queries.lock_inbox(unit.session, user_id)
    wanted = {**await queries.sms_choices(unit.session, user_id), **changes}
    off = [kind for kind, is_wanted in wanted.items() if not is_wanted]
    await unit.session.execute(
        insert(NotificationPreference)
        .values(user_id=user_id, sms_off=off)
        .on_conflict_do_update(index_elements=[NotificationPreference.user_id], set_={"sms_off": off})
    )
    return wanted


async def choose_quiet_hours(unit: UnitOfWork, hours: rules.QuietHours | None) -> None:
    """Say when the caller wants no SMS that can wait; None is never. Raises ``Authentication``, ``Validation``."""
    if hours is not None and hours.start == hours.end:
        raise Validation("Quiet hours end at another time than they begin.")
    values = {
        "quiet_from": hours.start if hours else None,
        "quiet_to": hours.end if hours else None,
        "time_zone": hours.time_zone if hours else None,
    }
    await unit.session.execute(
        insert(NotificationPreference)
        .values(user_id=policy.user_of(unit.actor), **values)
        .on_conflict_do_update(index_elements=[NotificationPreference.user_id], set_=values)
    )


async def _upsert(unit: UnitOfWork, user_id: UUID | None, news: News) -> Notification:
    moment = now()
    statement = insert(Notification).values(
        id=new_id(),
        user_id=user_id,
        type=news.type,
        title=news.text.title,
        body=news.text.body,
        data=news.data,
        subject_key=news.subject_key,
        created_at=moment,
        updated_at=moment,
    )
    joined = {
        "count": Notification.count + 1,
        "title": statement.excluded.title,
        "body": statement.excluded.body,
        "data": statement.excluded.data,
        "updated_at": statement.excluded.updated_at,
    }
    notification = await unit.session.scalar(
        statement.on_conflict_do_update(
            index_elements=[Notification.user_id, Notification.subject_key],
            index_where=text("read_at IS NULL AND subject_key IS NOT NULL"),
            set_=joined,
        )
        .returning(Notification)
        .execution_options(populate_existing=True)
    )
    assert notification is not None
    return notification


def plan_delivery(unit: UnitOfWork, notification: Notification, body: str, sms: Sms, phone: str | None) -> None:
    """Send it by SMS, to the address named or else to the person's own ``phone``, where there is one.

    The row is the promise; the task after COMMIT only hurries. What is due later waits for the sweep.
    """
    wanted = sms.address or phone
    if wanted is None:
        return
    address = rules.phone_in_e164(wanted, sms.region)
    delivery = Delivery(
        id=new_id(),
        notification_id=notification.id,
        channel="sms",
        address=address or wanted,
        body=body,
        status=DeliveryStatus.PENDING if address else DeliveryStatus.SUPPRESSED,
        error_code=None if address else "INVALID_PHONE",
        due_at=unit.at + sms.delay,
    )
    unit.session.add(delivery)
    if address and not sms.delay:
        unit.enqueue(SEND_SMS, str(delivery.id))


async def _set_read(unit: UnitOfWork, notification: Notification, *, removed_at: datetime | None = None) -> None:
    await unit.session.execute(
        update(Notification)
        .where(Notification.id == notification.id)
        .values(
            read_at=func.coalesce(Notification.read_at, unit.at),
            removed_at=removed_at,
            # Its place in the list is that of its news, not of its reading.
            updated_at=Notification.updated_at,
        )
        .execution_options(synchronize_session=False)
    )
    await unit.session.refresh(notification)


async def _tell(unit: UnitOfWork, notification: Notification) -> None:
    """Tell the person's own channel; somebody without an account has none."""
    if notification.user_id is None:
        return
    announce(unit, notification, await queries.count_unread(unit.session, notification.user_id))


def announce(unit: UnitOfWork, notification: Notification, unread: int) -> None:
    """Say on its person's channel what the notification is now; ``unread`` are left. The caller holds the inbox."""
    assert notification.user_id is not None
    event = NotificationUpserted(notification=queries.view(notification), unread=unread)
    unit.emit(event, user_channel(notification.user_id))

"""What the caller was told; and, in development, what was sent by SMS."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.deps import PageLimit, PublicUnit, SignedIn, Unit
from api.notifications.schemas import (
    NotificationFeed,
    NotificationOut,
    Outbox,
    OutboxMessage,
    Preferences,
    PreferencesOut,
    QuietTimes,
    Unread,
)
from api.schema_docs import problems
from core.access import PEOPLE, PUBLIC
from core.unit_of_work import UnitOfWork
from domain.notifications import actions, policy, queries
from domain.notifications.rules import NotificationType

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"])
dev_router = APIRouter(prefix="/api/v1/dev", tags=["development"])

Cursor = Annotated[str | None, Query(max_length=80, description="Where the page before ended (next_cursor).")]


@router.get("", responses=problems(401), openapi_extra=PEOPLE.label)
async def list_notifications(
    unit: Unit,
    actor: SignedIn,
    is_read: bool | None = None,
    type: NotificationType | None = None,  # noqa: A002 - the name of the query parameter
    cursor: Cursor = None,
    limit: PageLimit = 20,
) -> NotificationFeed:
    """The caller's notifications, those with the latest news first."""
    page = await queries.list_notifications(
        unit.session, policy.user_of(actor), limit=limit, is_read=is_read, notification_type=type, cursor=cursor
    )
    return NotificationFeed.of(page)


@router.patch("/read-all", responses=problems(401), openapi_extra=PEOPLE.label)
async def mark_all_read(unit: Unit, actor: SignedIn) -> Unread:
    """Mark all of them as read."""
    await actions.mark_all_read(unit)
    return Unread(unread=await queries.count_unread(unit.session, policy.user_of(actor)))


@router.get("/preferences", responses=problems(401), openapi_extra=PEOPLE.label)
async def get_preferences(unit: Unit, actor: SignedIn) -> PreferencesOut:
    """What the caller is told by SMS, and when not."""
    return await _preferences(unit, policy.user_of(actor))


@router.patch("/preferences", responses=problems(401), openapi_extra=PEOPLE.label)
async def change_preferences(unit: Unit, actor: SignedIn, body: Preferences) -> PreferencesOut:
    """Turn types of news on and off by SMS, and set quiet hours. In the product all of it is told, always."""
    await actions.choose_sms(unit, body.sms)
    if "quiet_hours" in body.model_fields_set:
        await actions.choose_quiet_hours(unit, body.quiet_hours.hours() if body.quiet_hours else None)
    return await _preferences(unit, policy.user_of(actor))


@router.patch("/{notification_id}/read", responses=problems(401, 404), openapi_extra=policy.OWNER.label)
async def mark_read(unit: Unit, _: SignedIn, notification_id: UUID) -> NotificationOut:
    """Mark one as read; once more changes nothing."""
    return NotificationOut.of(await actions.mark_read(unit, notification_id))


@router.delete("/{notification_id}", status_code=204, responses=problems(401, 404), openapi_extra=policy.OWNER.label)
async def remove(unit: Unit, _: SignedIn, notification_id: UUID) -> None:
    """Take one away."""
    await actions.remove(unit, notification_id)


async def _preferences(unit: UnitOfWork, user_id: UUID) -> PreferencesOut:
    return PreferencesOut(
        sms=await queries.sms_choices(unit.session, user_id),
        quiet_hours=QuietTimes.of(await queries.find_quiet_hours(unit.session, user_id)),
    )


@dev_router.get("/outbox", responses=problems(), openapi_extra=PUBLIC.label)
async def outbox(unit: PublicUnit) -> Outbox:
    """Text messages that no provider sent, for people and tests to read. Not there in production."""
    return Outbox(items=[OutboxMessage.model_validate(message) for message in await queries.outbox(unit.session)])

"""What happened to a person's notifications: exactly what the subscribers of ``user:{id}`` receive."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from core.events import Event


def user_channel(user_id: UUID) -> str:
    """The channel of that person: ``user:<uuid>``."""
    return f"user:{user_id}"


class NotificationView(msgspec.Struct, frozen=True, kw_only=True):
    """A notification as its person sees it. ``count`` pieces of news have joined in it."""

    id: UUID
    type: str
    title: str
    body: str
    data: dict[str, Any]
    count: int
    is_read: bool
    created_at: datetime
    updated_at: datetime


class NotificationUpserted(Event, frozen=True, kw_only=True):
    """A notification is new, has grown, or was read. ``unread`` notifications are left."""

    name: ClassVar[str] = "notification.upserted"

    notification: NotificationView
    unread: int


class NotificationRemoved(Event, frozen=True, kw_only=True):
    """The person does not want to see it any more."""

    name: ClassVar[str] = "notification.removed"

    id: UUID
    unread: int


class NotificationsRead(Event, frozen=True, kw_only=True):
    """All of them were read at once."""

    name: ClassVar[str] = "notifications.read"

    unread: int

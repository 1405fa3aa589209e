"""Shapes of notifications."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.notifications.queries import NotificationPage, view
from domain.notifications.rules import NotificationType
from models import Notification


class NotificationOut(BaseModel):
    """A piece of news for the caller. ``count`` pieces of news have joined in it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    type: NotificationType
    title: str
    body: str
    data: dict[str, Any]
    count: int
    is_read: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, notification: Notification) -> Self:
        """From a row."""
        return cls.model_validate(view(notification))


class NotificationFeed(BaseModel):
    """Notifications, those with the latest news first; ``next_cursor`` is the ``cursor`` of the next page."""

    items: list[NotificationOut]
    next_cursor: str | None

    @classmethod
    def of(cls, page: NotificationPage) -> Self:
        """From what the domain knows."""
        return cls(items=[NotificationOut.of(item) for item in page.items], next_cursor=page.next_cursor)


class Unread(BaseModel):
    """How many of the caller's notifications are unread now."""

    unread: int


class PreferencesOut(BaseModel):
    """Which types of news the caller wants by SMS, besides in the product."""

    sms: dict[NotificationType, bool]


class Preferences(BaseModel):
    """What is to change; a type that is not named stays as it is."""

    sms: dict[NotificationType, bool]


class OutboxMessage(BaseModel):
    """A text message that the ``local`` provider took."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    to: str
    body: str
    created_at: datetime


class Outbox(BaseModel):
    """The last text messages, newest first."""

    items: list[OutboxMessage]

"""Shapes of notifications."""

from datetime import datetime, time
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.schema_types import Text
from domain.notifications.queries import NotificationPage, view
from domain.notifications.rules import NotificationType, QuietHours
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


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be an IANA time zone, such as Europe/Berlin")
    return name


TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]


class QuietTimes(BaseModel):
    """No SMS from ``start`` until before ``end``, by the clock of ``time_zone``; over midnight if ``end`` is earlier.

    What was to be sent then is sent afterwards, unless it was read. Calls of a ticket are sent at once all the same.
    """

    start: TimeOfDay
    end: TimeOfDay
    time_zone: Annotated[Text, AfterValidator(_zone), Field(examples=["Europe/Berlin"])]

    @classmethod
    def of(cls, hours: QuietHours | None) -> Self | None:
        """From what the domain knows."""
        if hours is None:
            return None
        return cls(start=f"{hours.start:%H:%M}", end=f"{hours.end:%H:%M}", time_zone=hours.time_zone)

    def hours(self) -> QuietHours:
        """As the domain knows them."""
        return QuietHours(time.fromisoformat(self.start), time.fromisoformat(self.end), self.time_zone)


class PreferencesOut(BaseModel):
    """Which types of news the caller wants by SMS, besides in the product, and when not."""

    sms: dict[NotificationType, bool]
    quiet_hours: QuietTimes | None


class Preferences(BaseModel):
    """What is to change; what is not named stays as it is. ``quiet_hours`` null: there are none any more."""

    sms: dict[NotificationType, bool] = {}
    quiet_hours: QuietTimes | None = None


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

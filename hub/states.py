"""What a ``subscribed`` in mode ``snapshot`` holds, for each kind of channel: the state that its events then change."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from domain.chat.events import ChatMessage, Participant
from domain.notifications.events import NotificationView
from domain.queueing.events import BoardTicket


class BoardQueue(Struct, kw_only=True):
    """The queue that a board shows."""

    id: UUID
    name: str
    prefix: Annotated[str, Meta(description="First part of its codes: `A` of `A-042`.")]
    clinic_name: str
    time_zone: Annotated[str, Meta(description="IANA name, such as `Europe/Berlin`.")]


class BoardState(Struct, kw_only=True):
    """A whole board, with nothing in it that names a person."""

    queue: BoardQueue
    tickets: list[BoardTicket]
    announcements: list[Any]


class ThreadHead(Struct, kw_only=True):
    """A thread as all who take part in it see it."""

    id: UUID
    kind: Annotated[str, Meta(description="`support` or `care`.")]
    subject: str
    status: Annotated[str, Meta(description="`open` or `closed`.")]
    created_at: datetime
    last_message_at: datetime
    participants: list[Participant]
    last_message: ChatMessage | None


class ThreadState(Struct, kw_only=True):
    """A thread with its last 50 messages, oldest first; older ones come by REST."""

    thread: ThreadHead
    messages: list[ChatMessage]
    participants: list[Participant]


class InboxState(Struct, kw_only=True):
    """How many notifications are unread, and the 20 with the latest news, newest first."""

    unread: int
    notifications: list[NotificationView]


class ParticipantsPresent(Struct, kw_only=True):
    """Who is there, all of them: it replaces what was told before."""

    user_ids: Annotated[list[UUID], Meta(description="Of those who take part in the thread, and follow it just now.")]


class ScreensPresent(Struct, kw_only=True):
    """How many screens show the board. Only staff of the clinic and administrators are told."""

    screens: int


class TypingData(Struct, kw_only=True):
    """Somebody types, or stopped."""

    user_id: UUID
    on: bool

"""The vocabulary of each kind of channel: its events, its signals, and its state. For those who read the protocol.

The hub itself passes data on unread. The AsyncAPI document is made from this, and a test compares it with the events
that the rooms know and with the kinds of channels in ``hub.catalog``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from core.events import Event
from domain.chat.events import MessageAppended, ReceiptUpdated, ThreadUpdated
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted
from domain.queueing.events import TicketRemoved, TicketUpserted
from hub.states import BoardState, InboxState, ParticipantsPresent, ScreensPresent, ThreadState, TypingData


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of channel. ``signals`` by name, each with its data."""

    name: str
    about: str
    state: type[Struct]
    events: tuple[type[Event], ...]
    signals: Mapping[str, type[Struct]]


TOPICS: Final[Mapping[str, Topic]] = {
    "board": Topic(
        name="board:{queue_id}",
        about="The board of a waiting room: codes and counters, never a person.",
        state=BoardState,
        events=(TicketUpserted, TicketRemoved),
        signals={"presence": ScreensPresent},
    ),
    "thread": Topic(
        name="thread:{thread_id}",
        about="A conversation: its messages, how far each participant has read, and whether it is open.",
        state=ThreadState,
        events=(MessageAppended, ReceiptUpdated, ThreadUpdated),
        signals={"typing": TypingData, "presence": ParticipantsPresent},
    ),
    "user": Topic(
        name="user:{user_id}",
        about="What one person was told: their notifications, and how many of them are unread.",
        state=InboxState,
        events=(NotificationUpserted, NotificationRemoved, NotificationsRead),
        signals={},
    ),
}

"""What happened in a thread. Events with a ``name`` are exactly what the subscribers of ``thread:{id}`` receive."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from core.events import Event


def thread_channel(thread_id: UUID) -> str:
    """The channel of that thread: ``thread:<uuid>``."""
    return f"thread:{thread_id}"


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its thread sees it. ``seq`` is its place in the thread's stream, ``key`` its sender's own word."""

    id: UUID
    thread_id: UUID
    seq: int
    sender_id: UUID
    key: str
    body: str
    created_at: datetime


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a thread, who has read all messages up to ``read_seq``."""

    user_id: UUID
    name: str
    role: str
    read_seq: int


class MessageAppended(Event, frozen=True, kw_only=True):
    """The thread has one more message. It also says that its sender has read up to it: no receipt follows."""

    name: ClassVar[str] = "message.sent"

    message: ChatMessage


class ReceiptUpdated(Event, frozen=True, kw_only=True):
    """A participant has read all messages up to ``read_seq``; it only grows."""

    name: ClassVar[str] = "receipt.updated"

    user_id: UUID
    read_seq: int


class ThreadUpdated(Event, frozen=True, kw_only=True):
    """The thread was opened again or closed, for everybody in it."""

    name: ClassVar[str] = "thread.updated"

    status: str


class ThreadRead(Event, frozen=True, kw_only=True):
    """Somebody has read a thread up to ``seq``. For other rooms: it goes on no channel."""

    thread_id: UUID
    user_id: UUID
    seq: int

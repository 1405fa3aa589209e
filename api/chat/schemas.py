"""Shapes of the chat."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schema_types import Prose, Text
from domain.chat.queries import MessagePage, ThreadView
from domain.chat.rules import MAX_KEY, StatusChange

MAX_SEQ = 2**53 - 1  # the largest integer that every JSON reader keeps exactly (RFC 8259, section 6)

Body = Annotated[Prose, Field(min_length=1, description="What is said: 1 to 4,000 characters.")]
Key = Annotated[
    Text, Field(min_length=1, max_length=MAX_KEY, description="Unique per message of a sender; makes a repeat safe.")
]


class OpenThread(BaseModel):
    """A new care thread: a patient names ``doctor_id``, a doctor names ``patient_id``."""

    doctor_id: Annotated[UUID | None, Field(description="The doctor's user id; from patients.")] = None
    patient_id: Annotated[UUID | None, Field(description="The patient's id; from doctors.")] = None
    subject: Text = ""


class InitiateChat(BaseModel):
    """``user_id``, where it is given, is the caller's own."""

    user_id: UUID | None = None


class ChangeThreadStatus(BaseModel):
    """``open`` and ``closed`` are for everybody in the thread, the others for the caller's own list."""

    status: StatusChange


class SendMessage(BaseModel):
    """Without a ``key`` (or the header ``Idempotency-Key``) every request is a new message."""

    body: Body
    key: Key | None = None
    attachments: Annotated[
        list[Text], Field(max_length=10, description="Reserved: refused with `ATTACHMENTS_UNSUPPORTED`.")
    ] = []


class MessageOut(BaseModel):
    """A message. ``seq`` is its place in the thread."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    thread_id: UUID
    seq: int
    sender_id: UUID
    key: str
    body: str
    created_at: datetime


class ParticipantOut(BaseModel):
    """A person in a thread, who has read all messages up to ``read_seq``."""

    model_config = ConfigDict(from_attributes=True)

    user_id: UUID
    name: str
    role: str
    read_seq: int


class ThreadOut(BaseModel):
    """A thread as the caller sees it."""

    id: UUID
    kind: Literal["support", "care"]
    subject: str
    status: Literal["open", "closed"]
    created_at: datetime
    last_message_at: datetime
    archived: bool
    unread_count: int
    participants: list[ParticipantOut]
    last_message: MessageOut | None

    @classmethod
    def of(cls, view: ThreadView) -> Self:
        """From what the domain knows."""
        return cls.model_validate(
            {
                "id": view.thread.id,
                "kind": view.thread.kind,
                "subject": view.thread.subject,
                "status": view.thread.status,
                "created_at": view.thread.created_at,
                "last_message_at": view.thread.last_message_at,
                "archived": view.archived,
                "unread_count": view.unread_count,
                "participants": [ParticipantOut.model_validate(person) for person in view.participants],
                "last_message": MessageOut.model_validate(view.last_message) if view.last_message else None,
            }
        )


class ThreadPage(BaseModel):
    """A page of threads."""

    items: list[ThreadOut]
    total: int
    page: int
    limit: int


class MessageFeed(BaseModel):
    """Messages, newest first; ``next_cursor`` is the ``before`` of the next page."""

    items: list[MessageOut]
    next_cursor: str | None

    @classmethod
    def of(cls, page: MessagePage) -> Self:
        """From what the domain knows."""
        return cls(
            items=[MessageOut.model_validate(message) for message in page.items],
            next_cursor=None if page.next_cursor is None else str(page.next_cursor),
        )


class ChatInitiated(BaseModel):
    """The patient's thread with an advisor, with its last messages, oldest first."""

    chat_id: UUID
    messages: list[MessageOut]


class UnreadCount(BaseModel):
    """Messages of others that the caller has not read."""

    unread_count: int


class ReceiptOut(BaseModel):
    """The caller has read all messages of the thread up to ``read_seq``."""

    thread_id: UUID
    read_seq: int

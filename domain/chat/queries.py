"""Reads and row locks of the chat."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, String, cast, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from core.actor import Actor
from core.database import Database
from domain.chat import policy, rules
from domain.chat.errors import MessageNotFound, ThreadNotFound
from domain.chat.events import ChatMessage, Participant
from domain.chat.rules import ThreadStatus
from models import Message, Thread, ThreadParticipant, User

SNAPSHOT_MESSAGES: Final = 50

# Written out, not a parameter: only then is it the expression that the index holds.
_DICTIONARY: Final[ColumnElement[str]] = literal_column("'simple'")


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread as one of its participants sees it in their list."""

    thread: Thread
    archived: bool
    unread_count: int
    participants: list[Participant]
    last_message: Message | None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, newest first; ``next_cursor`` is the ``before`` of the next page, None on the last one."""

    items: list[Message]
    next_cursor: int | None


class MessageFeed(Struct):
    """The same as it is answered."""

    items: list[ChatMessage]
    next_cursor: str | None


def chat_message(message: Message) -> ChatMessage:
    """The message as it goes over the wire."""
    return ChatMessage(
        id=message.id,
        thread_id=message.thread_id,
        seq=message.seq,
        sender_id=message.sender_id,
        key=message.key,
        body=message.body,
        created_at=message.created_at,
    )


async def lock_thread(session: AsyncSession, thread_id: UUID, user_id: UUID) -> Thread:
    """That participant's thread, locked until COMMIT. Raises ``ThreadNotFound`` for everybody else.

    Whatever changes a thread takes this lock first: its stream, its pointers and the rows that reactions touch are
    only locked under it, so that they are always reached in the same order. FOR NO KEY UPDATE leaves the foreign keys
    of new messages alone.
    """
    thread = await session.scalar(
        select(Thread)
        .join(ThreadParticipant, ThreadParticipant.thread_id == Thread.id)
        .where(Thread.id == thread_id, ThreadParticipant.user_id == user_id)
        .with_for_update(of=Thread, key_share=True)
        .execution_options(populate_existing=True)
    )
    if thread is None:
        raise ThreadNotFound
    return thread


async def get_participation(session: AsyncSession, thread_id: UUID, user_id: UUID) -> ThreadParticipant:
    """That person's part in the thread, read afresh. Raises ``ThreadNotFound`` when there is none."""
    found = await session.get(ThreadParticipant, (thread_id, user_id), populate_existing=True)
    if found is None:
        raise ThreadNotFound
    return found


async def may_read(session: AsyncSession, actor: Actor, thread_id: UUID) -> bool:
    """Whether the actor may follow that thread; False as well when there is no such thread."""
    participant_ids = await session.scalars(
        select(ThreadParticipant.user_id).where(ThreadParticipant.thread_id == thread_id)
    )
    found = participant_ids.all()
    return bool(found) and policy.may_read_thread(actor, found)


async def participants_of(session: AsyncSession, thread_ids: Iterable[UUID]) -> dict[UUID, list[Participant]]:
    """Who takes part in those threads, in the order in which they joined."""
    rows = await session.execute(
        select(ThreadParticipant, User.name, User.role)
        .join(User, User.id == ThreadParticipant.user_id)
        .where(ThreadParticipant.thread_id.in_(thread_ids))
        .order_by(ThreadParticipant.joined_at, ThreadParticipant.user_id)
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, list[Participant]] = {}
    for part, name, role in rows:
        person = Participant(user_id=part.user_id, name=name, role=role, read_seq=part.read_seq)
        found.setdefault(part.thread_id, []).append(person)
    return found


async def last_seq(session: AsyncSession, thread_id: UUID) -> int:
    """The sequence of the newest message; 0 in an empty thread."""
    return await session.scalar(select(func.max(Message.seq)).where(Message.thread_id == thread_id)) or 0


async def get_message(session: AsyncSession, message_id: UUID, user_id: UUID) -> Message:
    """A message of a thread in which that person takes part. Raises ``MessageNotFound``."""
    message = await session.scalar(
        select(Message)
        .join(ThreadParticipant, ThreadParticipant.thread_id == Message.thread_id)
        .where(Message.id == message_id, ThreadParticipant.user_id == user_id)
    )
    if message is None:
        raise MessageNotFound
    return message


async def list_threads(
    session: AsyncSession,
    user_id: UUID,
    *,
    page: int,
    limit: int,
    search: str | None = None,
    status: ThreadStatus | None = None,
    sort: Literal["recent", "created"] = "recent",
    include_archived: bool = True,
) -> tuple[list[ThreadView], int]:
    """A page of that person's threads, and how many there are.

    ``search`` looks into the messages. Four queries, however many threads. Raises ``Validation`` for a bad search.
    """
    wanted = _own_threads(user_id)
    if status is not None:
        wanted = wanted.where(Thread.status == status)
    if not include_archived:
        wanted = wanted.where(ThreadParticipant.archived_at.is_(None))
    if search:
        wanted = wanted.where(
            select(Message.id).where(Message.thread_id == Thread.id, matches(search)).correlate(Thread).exists()
        )
    total = await session.scalar(wanted.with_only_columns(func.count()))
    newest = Thread.last_message_at if sort == "recent" else Thread.created_at
    page_of = wanted.order_by(newest.desc(), Thread.id.desc()).offset((page - 1) * limit).limit(limit)
    return await _views(session, page_of), total or 0


async def get_thread(session: AsyncSession, thread_id: UUID, user_id: UUID) -> ThreadView:
    """One thread as that participant sees it. Raises ``ThreadNotFound`` for everybody else."""
    views = await _views(session, _own_threads(user_id).where(Thread.id == thread_id))
    if not views:
        raise ThreadNotFound
    return views[0]


async def unread_total(session: AsyncSession, user_id: UUID) -> int:
    """How many messages of others that person has not read, in all threads."""
    count = await session.scalar(
        select(func.count())
        .select_from(ThreadParticipant)
        .join(Message, _is_unread())
        .where(ThreadParticipant.user_id == user_id)
    )
    return count or 0


async def list_messages(
    session: AsyncSession, thread_id: UUID, *, limit: int, before: int | None = None, search: str | None = None
) -> MessagePage:
    """Messages of a thread before that sequence, newest first; ``search`` keeps those with these words.

    Who may read them was checked before (``get_participation``). Raises ``Validation`` for a bad search.
    """
    wanted = select(Message).where(Message.thread_id == thread_id)
    if before is not None:
        wanted = wanted.where(Message.seq < before)
    if search is not None:
        wanted = wanted.where(matches(search))
    # One more than asked for tells whether there is a next page.
    rows = await session.scalars(wanted.order_by(Message.seq.desc()).limit(limit + 1))
    found = rows.all()
    return MessagePage(list(found[:limit]), found[limit - 1].seq if len(found) > limit else None)


# The right to read and what is read in one: without a part in the thread there is no row at all.
_FEED: Final = """
SELECT m.id, m.thread_id, m.seq, m.sender_id, m.key, m.body, m.created_at
FROM thread_participants p
LEFT JOIN LATERAL (
    SELECT * FROM messages
    WHERE thread_id = p.thread_id AND seq < COALESCE($3, 9223372036854775807) ORDER BY seq DESC LIMIT $4
) AS m ON true
WHERE p.thread_id = $1 AND p.user_id = $2
ORDER BY m.seq DESC
"""


async def read_feed(
    database: Database, thread_id: UUID, user_id: UUID, *, limit: int, before: int | None
) -> MessageFeed:
    """Messages of that person's thread before that sequence, newest first, without a session of the database's.

    Raises ``ThreadNotFound`` for whoever takes no part in it.
    """
    rows = await database.fetch(_FEED, thread_id, user_id, before, limit + 1)
    if not rows:
        raise ThreadNotFound
    found = [ChatMessage(**row) for row in rows if row["seq"] is not None]
    cursor = str(found[limit - 1].seq) if len(found) > limit else None
    return MessageFeed(items=found[:limit], next_cursor=cursor)


async def search_messages(
    session: AsyncSession, thread_id: UUID, query: str, *, limit: int, before: int | None = None
) -> MessagePage:
    """Messages with all words of ``query``, the last of which may be begun only. Raises ``Validation``."""
    return await list_messages(session, thread_id, limit=limit, before=before, search=query)


async def thread_snapshot(session: AsyncSession, thread_id: UUID) -> dict[str, Any]:
    """The whole thread as its participants share it, with the last 50 messages, oldest first.

    It holds nothing personal (archived, unread_count). Raises ``ThreadNotFound``.
    """
    thread = await session.get(Thread, thread_id)
    if thread is None:
        raise ThreadNotFound
    participants = (await participants_of(session, [thread_id])).get(thread_id, [])
    newest = await list_messages(session, thread_id, limit=SNAPSHOT_MESSAGES)
    messages = [chat_message(message) for message in reversed(newest.items)]
    return {
        "thread": {
            "id": thread.id,
            "kind": thread.kind,
            "subject": thread.subject,
            "status": thread.status,
            "created_at": thread.created_at,
            "last_message_at": thread.last_message_at,
            "participants": participants,
            "last_message": messages[-1] if messages else None,
        },
        "messages": messages,
        "participants": participants,
    }


def _own_threads(user_id: UUID) -> Select[Any]:
    unread = select(func.count(Message.id)).where(_is_unread()).correlate(ThreadParticipant).scalar_subquery()
    return (
        select(Thread, ThreadParticipant.archived_at, unread)
        .join(ThreadParticipant, ThreadParticipant.thread_id == Thread.id)
        .where(ThreadParticipant.user_id == user_id)
    )


def _is_unread() -> ColumnElement[bool]:
    """A message of somebody else after the pointer of the participant in the same query."""
    return (
        (Message.thread_id == ThreadParticipant.thread_id)
        & (Message.seq > ThreadParticipant.read_seq)
        & (Message.sender_id != ThreadParticipant.user_id)
    )


async def _views(session: AsyncSession, wanted: Select[Any]) -> list[ThreadView]:
    rows = (await session.execute(wanted)).all()
    thread_ids = [thread.id for thread, _, _ in rows]
    participants = await participants_of(session, thread_ids)
    newest = await _newest_messages(session, thread_ids)
    return [
        ThreadView(thread, archived_at is not None, unread, participants.get(thread.id, []), newest.get(thread.id))
        for thread, archived_at, unread in rows
    ]


async def _newest_messages(session: AsyncSession, thread_ids: Sequence[UUID]) -> dict[UUID, Message]:
    """LATERAL: one look into the index a thread, however long the threads are."""
    newest = select(Message).where(Message.thread_id == Thread.id).order_by(Message.seq.desc()).limit(1).lateral()
    message = aliased(Message, newest)
    rows = await session.scalars(select(message).join_from(Thread, newest, true()).where(Thread.id.in_(thread_ids)))
    return {row.thread_id: row for row in rows}


def matches(search: str) -> ColumnElement[bool]:
    """Full-text search on the index of bodies: all words, the last one as a prefix, as people see results while typing.

    PostgreSQL itself quotes the words, so nothing in them is an operator; no word at all finds nothing. Raises
    ``Validation``.
    """
    rules.check_text(search, "The search", rules.MAX_QUERY)
    words = cast(func.plainto_tsquery(_DICTIONARY, search), String)
    query = cast(func.nullif(words, "") + ":*", TSQUERY)
    return func.to_tsvector(_DICTIONARY, Message.body).op("@@")(query)

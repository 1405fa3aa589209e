"""Writing messages: any number of sends in one transaction and a fixed number of statements.

Each send is accepted or refused on its own; within a thread they stand in the order given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.clock import now
from core.database import fetch_in
from core.errors import IdempotencyKeyReused, Refusal
from core.ids import new_id
from core.tasks import TELL_THREAD
from core.unit_of_work import UnitOfWork
from domain.chat import policy, rules
from domain.chat.errors import ThreadNotFound
from domain.chat.events import ChatMessage, MessageAppended, ThreadUpdated, thread_channel
from domain.chat.rules import ThreadKind, ThreadStatus


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that somebody wants to send; ``key`` is their own word for it, the same in every repeat."""

    sender: Actor
    thread_id: UUID
    key: str
    body: str


class SentMessage(NamedTuple):
    """``is_new`` is False for the repeat of an earlier send, which changed nothing."""

    message: ChatMessage
    is_new: bool


@dataclass(slots=True)
class _Planned:
    """A message that may be written: its time is known once that is decided, its place once streams are advanced."""

    draft: Draft
    sender_id: UUID
    body: str
    id: UUID = field(default_factory=new_id)
    created_at: datetime = field(init=False)
    seq: int = field(init=False)

    @property
    def identity(self) -> tuple[UUID, str]:
        """What a repeat must be the same in."""
        return self.draft.thread_id, self.body

    def message(self) -> ChatMessage:
        return ChatMessage(
            id=self.id,
            thread_id=self.draft.thread_id,
            seq=self.seq,
            sender_id=self.sender_id,
            key=self.draft.key,
            body=self.body,
            created_at=self.created_at,
        )


@dataclass(slots=True)
class _Thread:
    """A locked thread with what happens in it, in order: messages, and the status where one changed it before."""

    id: UUID
    kind: ThreadKind
    status: ThreadStatus
    members: set[UUID] = field(default_factory=set)
    news: list[tuple[_Planned, ThreadStatus | None]] = field(default_factory=list)

    @property
    def channel(self) -> str:
        return thread_channel(self.id)

    @property
    def event_count(self) -> int:
        return sum(1 if changed is None else 2 for _, changed in self.news)


# Whatever changes a thread takes this lock first, in the order of ids, and its stream only under it. Participants
# come and go with their thread, so that who takes part may be read before the lock is held.
_LOCK: Final = """
    SELECT t.id, t.kind, t.status, p.user_id
    FROM unnest($1::uuid[], $2::uuid[]) AS wanted (thread_id, user_id)
    JOIN thread_participants p ON p.thread_id = wanted.thread_id AND p.user_id = wanted.user_id
    JOIN threads t ON t.id = p.thread_id
    ORDER BY t.id
    FOR NO KEY UPDATE OF t
"""
_FIND: Final = """
    SELECT m.id, m.thread_id, m.seq, m.sender_id, m.key, m.body, m.created_at
    FROM unnest($1::uuid[], $2::text[]) AS wanted (sender_id, key)
    JOIN messages m ON m.sender_id = wanted.sender_id AND m.key = wanted.key
"""
# The sender of a message has read up to it. ``untold_seq`` is where telling the others will begin.
_WRITE: Final = """
    WITH fresh AS (
        INSERT INTO messages (id, thread_id, seq, sender_id, key, body, created_at)
        SELECT * FROM unnest(
            $1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[]
        )
        ON CONFLICT (sender_id, key) DO NOTHING
        RETURNING 1
    ), pointers AS (
        UPDATE thread_participants p SET read_seq = sent.seq
        FROM (
            SELECT thread_id, user_id, max(seq) AS seq
            FROM unnest($2::uuid[], $4::uuid[], $3::bigint[]) AS message (thread_id, user_id, seq)
            GROUP BY thread_id, user_id
        ) AS sent
        WHERE p.thread_id = sent.thread_id AND p.user_id = sent.user_id
    ), moved AS (
        UPDATE threads t
        SET status = changed.status, last_message_at = changed.at, updated_at = now(),
            untold_seq = COALESCE(t.untold_seq, changed.first_seq)
        FROM unnest($8::uuid[], $9::text[], $10::timestamptz[], $11::bigint[]) AS changed (id, status, at, first_seq)
        WHERE t.id = changed.id
    )
    SELECT count(*) FROM fresh
"""


async def send_messages(unit: UnitOfWork, drafts: Sequence[Draft]) -> list[SentMessage | Refusal]:
    """Write to threads. Returns what became of each draft, in the order given.

    A repeat under its sender's same key returns the first message and emits nothing. Refusals: ``Authentication``,
    ``Validation``, ``ThreadNotFound``, ``ThreadClosed``, ``IdempotencyKeyReused``. The last one is raised where another
    transaction took a key at the same moment in another thread: then all has to be rolled back, or there were a gap.
    """
    outcomes = [_checked(draft) for draft in drafts]
    planned = [one for one in outcomes if isinstance(one, _Planned)]
    threads = await _lock(unit.session, planned)
    # Repeats of a send go to the same thread, so they are seen here, under its lock and before a sequence is taken.
    known: dict[tuple[UUID, str], ChatMessage | _Planned] = {
        (message.sender_id, message.key): message for message in await _find(unit.session, planned)
    }
    decided = [_decided(one, threads, known) if isinstance(one, _Planned) else one for one in outcomes]
    await _write(unit, [thread for thread in threads.values() if thread.news])
    return [
        SentMessage(one.message(), is_new=one is asked)
        if isinstance(one, _Planned)
        else (SentMessage(one, is_new=False) if isinstance(one, ChatMessage) else one)
        for asked, one in zip(outcomes, decided, strict=True)
    ]


def _checked(draft: Draft) -> _Planned | Refusal:
    """What can be said of a draft without looking into the database."""
    try:
        sender_id = policy.user_of(draft.sender)
        rules.check_text(draft.key, "The key", rules.MAX_KEY)
        return _Planned(draft, sender_id, rules.clean_body(draft.body))
    except Refusal as refusal:
        return refusal


def _decided(
    planned: _Planned, threads: Mapping[UUID, _Thread], known: dict[tuple[UUID, str], ChatMessage | _Planned]
) -> _Planned | ChatMessage | Refusal:
    """The message to write, the one that it repeats (written before, or planned before in the same batch), or why not.

    Changes ``threads`` and ``known`` as writing it will.
    """
    thread = threads.get(planned.draft.thread_id)
    if thread is None or planned.sender_id not in thread.members:
        return ThreadNotFound()
    word = (planned.sender_id, planned.draft.key)
    first = known.get(word)
    if first is not None:
        is_same = planned.identity == (first.identity if isinstance(first, _Planned) else (first.thread_id, first.body))
        return first if is_same else IdempotencyKeyReused()
    try:
        status = rules.status_after_message(thread.kind, thread.status, planned.draft.sender.role)
    except Refusal as refusal:
        return refusal
    thread.news.append((planned, status if status != thread.status else None))
    thread.status = status
    known[word] = planned
    # Under the lock, so that within a thread later messages have later times.
    planned.created_at = now()
    return planned


async def _lock(session: AsyncSession, planned: Iterable[_Planned]) -> dict[UUID, _Thread]:
    """The threads in which their senders take part, locked until COMMIT; others stay unknown and untouched."""
    pairs = list({(one.draft.thread_id, one.sender_id) for one in planned})
    threads: dict[UUID, _Thread] = {}
    if not pairs:
        return threads
    rows = await fetch_in(session, _LOCK, [thread for thread, _ in pairs], [sender for _, sender in pairs])
    for row in rows:
        fresh = _Thread(row["id"], ThreadKind(row["kind"]), ThreadStatus(row["status"]))
        threads.setdefault(row["id"], fresh).members.add(row["user_id"])
    return threads


async def _find(session: AsyncSession, planned: Iterable[_Planned]) -> list[ChatMessage]:
    """The messages that exist under those keys."""
    words = list({(one.sender_id, one.draft.key) for one in planned})
    if not words:
        return []
    rows = await fetch_in(session, _FIND, [sender for sender, _ in words], [key for _, key in words])
    return [ChatMessage(**row) for row in rows]


async def _write(unit: UnitOfWork, threads: Sequence[_Thread]) -> None:
    """Give the messages their places and write them. Raises ``IdempotencyKeyReused`` as ``send_messages`` says."""
    if not threads:
        return
    places = await unit.advance({thread.channel: thread.event_count for thread in threads})
    for thread in threads:
        _emit(unit, thread, places[thread.channel])
        unit.enqueue(TELL_THREAD, str(thread.id))
    messages = [message for thread in threads for message, _ in thread.news]
    [written] = await fetch_in(
        unit.session,
        _WRITE,
        [message.id for message in messages],
        [message.draft.thread_id for message in messages],
        [message.seq for message in messages],
        [message.sender_id for message in messages],
        [message.draft.key for message in messages],
        [message.body for message in messages],
        [message.created_at for message in messages],
        [thread.id for thread in threads],
        [thread.status for thread in threads],
        [thread.news[-1][0].created_at for thread in threads],
        [thread.news[0][0].seq for thread in threads],
    )
    if written["count"] != len(messages):
        raise IdempotencyKeyReused


def _emit(unit: UnitOfWork, thread: _Thread, seq: int) -> None:
    """Say what happens in the thread, from that place on, each by whom it was."""
    for planned, changed in thread.news:
        if changed is not None:
            unit.emit(ThreadUpdated(status=changed), thread.channel, actor=planned.draft.sender)
            seq += 1
        planned.seq = seq
        unit.emit(MessageAppended(message=planned.message()), thread.channel, actor=planned.draft.sender)
        seq += 1

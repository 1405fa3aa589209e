"""Telling people of the messages that they were sent, after COMMIT and thread by thread.

A thread remembers from which message on nobody was told (``threads.untold_seq``), so that what a killed process leaves
behind is found by the sweep. One transaction tells any number of threads in a fixed number of statements. Its order of
locks is everybody's: threads, inboxes, streams.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import now
from core.database import fetch_in
from core.ids import new_id
from core.settings import get_settings
from core.unit_of_work import UnitOfWork
from domain.chat.events import thread_channel
from domain.notifications import actions, queries, rules
from domain.notifications.actions import Sms
from domain.notifications.rules import NotificationType
from models import Notification

TELL_AT_MOST: Final = 32
"""Threads in one transaction: whoever writes in one of them waits for it."""

_LEFT_BEHIND: Final = timedelta(seconds=5)

_LOCK_THREADS: Final = """
    SELECT id, untold_seq FROM threads WHERE id = ANY($1::uuid[]) AND untold_seq IS NOT NULL
    ORDER BY id FOR NO KEY UPDATE
"""
_LOCK_INBOXES: Final = """
    SELECT id FROM users
    WHERE id IN (SELECT user_id FROM thread_participants WHERE thread_id = ANY($1::uuid[]))
    ORDER BY id FOR NO KEY UPDATE
"""
# Who has read a thread, or written in it, need not be told of it any more. The place in the list stays.
_SETTLE = text(
    """
    UPDATE notifications n SET read_at = :at
    FROM thread_participants p
    WHERE p.thread_id = ANY(:thread_ids) AND n.user_id = p.user_id
      AND n.subject_key = CONCAT('thread:', p.thread_id) AND n.read_at IS NULL
      AND CAST(n.data ->> 'seq' AS bigint) <= p.read_seq
    RETURNING n.*
    """
)
_NEWS: Final = """
    SELECT p.user_id, p.thread_id, news.count, news.seq, news.id AS message_id, sender.name AS sender_name
    FROM unnest($1::uuid[], $2::bigint[]) AS untold (thread_id, seq)
    JOIN thread_participants p ON p.thread_id = untold.thread_id
    CROSS JOIN LATERAL (
        SELECT m.id, m.seq, m.sender_id, count(*) OVER () AS count FROM messages m
        WHERE m.thread_id = p.thread_id AND m.seq >= untold.seq AND m.seq > p.read_seq AND m.sender_id <> p.user_id
        ORDER BY m.seq DESC LIMIT 1
    ) AS news
    JOIN users sender ON sender.id = news.sender_id
"""
_UPSERT = text(
    """
    INSERT INTO notifications AS n (id, user_id, type, title, body, data, subject_key, count, created_at, updated_at)
    SELECT id, user_id, :type, title, body, CAST(data AS jsonb), subject_key, count, :at, :at
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:user_ids AS uuid[]), CAST(:titles AS text[]), CAST(:bodies AS text[]),
        CAST(:data AS text[]), CAST(:subject_keys AS text[]), CAST(:counts AS integer[])
    ) AS news (id, user_id, title, body, data, subject_key, count)
    ON CONFLICT (user_id, subject_key) WHERE read_at IS NULL AND subject_key IS NOT NULL
    DO UPDATE SET count = n.count + excluded.count, title = excluded.title, body = excluded.body,
        data = excluded.data, updated_at = excluded.updated_at
    RETURNING n.*
    """
)
_TOLD: Final = "UPDATE threads SET untold_seq = NULL WHERE id = ANY($1::uuid[])"
_LEFT = text(
    """
    SELECT t.id FROM threads t JOIN messages m ON m.thread_id = t.id AND m.seq = t.untold_seq
    WHERE t.untold_seq IS NOT NULL AND m.created_at < :before
    ORDER BY t.id LIMIT :most
    """
)


async def tell_threads(unit: UnitOfWork, thread_ids: Collection[UUID]) -> None:
    """Tell everybody in those threads of the messages of others that they have neither read nor been told of.

    One notification a thread and person while it is unread; by SMS once, after a while.
    """
    untold = {row["id"]: row["untold_seq"] for row in await fetch_in(unit.session, _LOCK_THREADS, list(thread_ids))}
    if not untold:
        return
    await fetch_in(unit.session, _LOCK_INBOXES, list(untold))
    # Read only now, under both locks: whoever reads the thread from here on finds the notification, and settles it.
    settled = await _notifications(unit.session, _SETTLE, {"thread_ids": list(untold), "at": unit.at})
    rows = await fetch_in(unit.session, _NEWS, list(untold), list(untold.values()))
    news = {_place(row["user_id"], thread_channel(row["thread_id"])): row for row in rows}
    told = await _upsert(unit.session, news.values()) if news else []
    fresh = [one for one in told if one.count == news[_place(one.user_id, one.subject_key)]["count"]]
    await _plan_sms(unit, fresh)
    await fetch_in(unit.session, _TOLD, list(untold))
    changes = [(one, -1) for one in settled] + [(one, int(one in fresh)) for one in told]
    await _announce(unit, changes)


async def left_behind(unit: UnitOfWork, limit: int) -> Sequence[UUID]:
    """Threads with messages of which nobody was told for 5 s: whoever wanted to is dead, or was asked in vain."""
    before = unit.at - _LEFT_BEHIND
    return (await unit.session.scalars(_LEFT, {"before": before, "most": limit})).all()


def _place(user_id: UUID | None, subject_key: str | None) -> tuple[UUID | None, str | None]:
    """What an unread notification is the only one of."""
    return user_id, subject_key


async def _notifications(session: AsyncSession, statement: TextClause, values: dict[str, object]) -> list[Notification]:
    """What a statement that changes notifications made of them."""
    changed = select(Notification).from_statement(statement).execution_options(populate_existing=True)
    return list(await session.scalars(changed, values))


async def _upsert(session: AsyncSession, news: Collection[Mapping[str, Any]]) -> list[Notification]:
    texts = [rules.message_received(one["sender_name"], get_settings().public_url) for one in news]
    return await _notifications(
        session,
        _UPSERT,
        {
            "type": NotificationType.MESSAGE_RECEIVED,
            "at": now(),
            "ids": [new_id() for _ in news],
            "user_ids": [one["user_id"] for one in news],
            "titles": [text.title for text in texts],
            "bodies": [text.body for text in texts],
            "data": [_data(one) for one in news],
            "subject_keys": [thread_channel(one["thread_id"]) for one in news],
            "counts": [one["count"] for one in news],
        },
    )


def _data(news: Mapping[str, Any]) -> str:
    last = {"thread_id": news["thread_id"], "message_id": news["message_id"], "seq": news["seq"]}
    return msgspec.json.encode(last).decode()


async def _plan_sms(unit: UnitOfWork, fresh: Sequence[Notification]) -> None:
    if not fresh:
        return
    settings = get_settings()
    sms = Sms(settings.default_phone_region, delay=timedelta(seconds=settings.chat_sms_delay_seconds))
    phones = await queries.find_phones(
        unit.session, [one.user_id for one in fresh if one.user_id], NotificationType.MESSAGE_RECEIVED
    )
    for one in fresh:
        # The text of an SMS names nobody: it is the same whoever wrote.
        body = rules.message_received("", settings.public_url).sms
        actions.plan_delivery(unit, one, body, sms, phones.get(one.user_id) if one.user_id else None)


async def _announce(unit: UnitOfWork, changes: Sequence[tuple[Notification, int]]) -> None:
    """Tell each person's own channel, each event with the number of unread ones at its place in the order."""
    unread = await queries.count_unread_of(unit.session, {one.user_id for one, _ in changes if one.user_id})
    still_to_come = Counter[UUID | None]()
    for one, change in changes:
        still_to_come[one.user_id] += change
    for one, change in changes:
        if one.user_id is not None:
            still_to_come[one.user_id] -= change
            actions.announce(unit, one, unread.get(one.user_id, 0) - still_to_come[one.user_id])

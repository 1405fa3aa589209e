"""Read pointers: they only grow, stop at the last message, and are told of once."""

import asyncio
from typing import Any

import msgspec
import pytest

from core.actor import Role
from core.runtime import Runtime
from domain.chat import actions, queries
from domain.chat.errors import MessageNotFound, OwnMessage, ThreadNotFound
from domain.chat.rules import StatusChange
from tests.domain.chat.builders import Talk, create_talk, create_user, events_of, id_of, read, say


async def _receipts(runtime: Runtime, talk: Talk) -> list[dict[str, Any]]:
    entries = await events_of(runtime, talk)
    return [msgspec.json.decode(entry.data) for entry in entries if entry.name == "receipt.updated"]


async def test_a_pointer_moves_to_what_was_read_and_the_thread_is_told(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    for body in ("One", "Two", "Three"):
        await say(runtime, talk, talk.patient, body)
    assert await read(runtime, talk, talk.other, 2) == 2
    assert await _receipts(runtime, talk) == [{"user_id": str(talk.other.user_id), "read_seq": 2}]
    async with runtime.database.session() as session:
        assert await queries.unread_total(session, id_of(talk.other)) == 1


async def test_reading_again_or_backwards_changes_nothing_and_tells_nobody(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    for body in ("One", "Two"):
        await say(runtime, talk, talk.patient, body)
    assert [await read(runtime, talk, talk.other, seq) for seq in (2, 2, 1, 0, -5)] == [2] * 5
    assert len(await _receipts(runtime, talk)) == 1


async def test_a_pointer_never_passes_the_last_message(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    assert await read(runtime, talk, talk.other, 7) == 0
    await say(runtime, talk, talk.patient, "One")
    async with runtime.transactions.begin(talk.patient) as unit:
        await actions.set_status(unit, talk.id, StatusChange.CLOSED)
    assert await read(runtime, talk, talk.other, 2**53 - 1) == 1
    assert await _receipts(runtime, talk) == [{"user_id": str(talk.other.user_id), "read_seq": 1}]
    assert await read(runtime, talk, talk.other, 2**53 - 1) == 1
    assert len(await _receipts(runtime, talk)) == 1


async def test_readers_at_once_end_at_the_furthest_and_their_receipts_only_grow(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    for number in range(12):
        await say(runtime, talk, talk.patient, f"Message {number}")
    wanted = [5, 12, 1, 9, 3, 12, 7, 2, 11, 4]
    await asyncio.gather(*(read(runtime, talk, talk.other, seq) for seq in wanted))
    told = [receipt["read_seq"] for receipt in await _receipts(runtime, talk)]
    assert told[-1] == 12
    assert told == sorted(set(told))
    assert await read(runtime, talk, talk.other, 1) == 12


async def test_sending_and_reading_at_once_lose_nothing(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    sends = [say(runtime, talk, person, "Hello") for person in (talk.patient, talk.other) for _ in range(10)]
    reads = [read(runtime, talk, person, seq) for person in (talk.patient, talk.other) for seq in range(1, 20, 2)]
    await asyncio.gather(*sends, *reads)
    entries = await events_of(runtime, talk)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    pointers = {str(talk.patient.user_id): 0, str(talk.other.user_id): 0}
    for entry in entries:
        data = msgspec.json.decode(entry.data)
        who, seq = (
            (data["user_id"], data["read_seq"])
            if entry.name == "receipt.updated"
            else (data["message"]["sender_id"], data["message"]["seq"])
        )
        assert seq > pointers[who]
        pointers[who] = seq
    async with runtime.database.session() as session:
        people = (await queries.participants_of(session, [talk.id]))[talk.id]
    assert {str(person.user_id): person.read_seq for person in people} == pointers


async def test_marking_a_message_marks_all_before_it(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    await say(runtime, talk, talk.patient, "One")
    second = await say(runtime, talk, talk.patient, "Two")
    async with runtime.transactions.begin(talk.other) as unit:
        message, read_seq = await actions.mark_message_read(unit, second.id)
    assert (message.id, read_seq) == (second.id, 2)


async def test_only_a_recipient_marks_a_message(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    message = await say(runtime, talk, talk.patient, "One")
    with pytest.raises(OwnMessage):
        async with runtime.transactions.begin(talk.patient) as unit:
            await actions.mark_message_read(unit, message.id)
    stranger = await create_user(runtime, Role.ADMIN)
    with pytest.raises(MessageNotFound):
        async with runtime.transactions.begin(stranger) as unit:
            await actions.mark_message_read(unit, message.id)
    with pytest.raises(ThreadNotFound):
        await read(runtime, talk, stranger, 1)
    assert await _receipts(runtime, talk) == []

"""Sending: once per key, without gaps, in the order of commits, whatever happens at the same time."""

import asyncio
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import func, select

from core.actor import ANONYMOUS, Role
from core.errors import Authentication, IdempotencyKeyReused, Validation
from core.runtime import Runtime
from domain.chat import actions, queries
from domain.chat.errors import ThreadClosed, ThreadNotFound
from domain.chat.rules import StatusChange, ThreadKind
from domain.chat.sending import SentMessage
from models import Message, Thread
from tests.domain.chat.builders import Talk, create_talk, create_user, events_of, id_of, say


async def _send(runtime: Runtime, talk: Talk, key: str, body: str = "Hello") -> SentMessage:
    async with runtime.transactions.begin(talk.patient) as unit:
        return await actions.send_message(unit, talk.id, key, body)


async def test_a_message_is_in_the_thread_on_its_channel_and_read_by_its_sender(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    message = await say(runtime, talk, talk.patient, "  When is my flight?\n", key="k1")
    assert (message.seq, message.body, message.key) == (1, "When is my flight?", "k1")
    [entry] = await events_of(runtime, talk)
    assert (entry.seq, entry.name) == (1, "message.sent")
    assert msgspec.json.decode(entry.data)["message"] == msgspec.to_builtins(message)
    async with runtime.database.session() as session:
        mine = await queries.get_thread(session, talk.id, id_of(talk.patient))
        theirs = await queries.get_thread(session, talk.id, id_of(talk.other))
    assert {person.user_id: person.read_seq for person in mine.participants} == {
        id_of(talk.patient): 1,
        id_of(talk.other): 0,
    }
    assert (mine.unread_count, theirs.unread_count) == (0, 1)
    assert mine.thread.last_message_at == message.created_at


async def test_a_repeat_returns_the_first_message_and_tells_nobody(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    first, is_new = await _send(runtime, talk, "key", "Hello")
    again, is_again_new = await _send(runtime, talk, "key", "Hello ")
    assert (is_new, is_again_new) == (True, False)
    assert again.id == first.id
    assert [entry.seq for entry in await events_of(runtime, talk)] == [1]


async def test_a_repeat_is_answered_after_the_thread_was_closed(runtime: Runtime) -> None:
    talk = await create_talk(runtime, ThreadKind.CARE)
    first, _ = await _send(runtime, talk, "key")
    async with runtime.transactions.begin(talk.other) as unit:
        await actions.set_status(unit, talk.id, StatusChange.CLOSED)
    assert (await _send(runtime, talk, "key")).message.id == first.id
    with pytest.raises(ThreadClosed):
        await _send(runtime, talk, "another")


async def test_a_key_used_for_another_body_or_thread_is_refused_by_name(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    elsewhere = await create_talk(runtime, patient=talk.patient)
    await _send(runtime, talk, "key", "Hello")
    with pytest.raises(IdempotencyKeyReused):
        await _send(runtime, talk, "key", "Goodbye")
    with pytest.raises(IdempotencyKeyReused):
        await _send(runtime, elsewhere, "key", "Hello")
    assert await events_of(runtime, elsewhere) == []


async def test_two_people_may_use_the_same_key(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    mine = await say(runtime, talk, talk.patient, "Hello", key="key")
    theirs = await say(runtime, talk, talk.other, "Hello", key="key")
    assert (mine.seq, theirs.seq) == (1, 2)


async def test_twenty_sends_with_one_key_at_once_are_one_message(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    sent = await asyncio.gather(*(_send(runtime, talk, "key") for _ in range(20)))
    assert len({message.id for message, _ in sent}) == 1
    assert sorted(is_new for _, is_new in sent) == [False] * 19 + [True]
    assert [entry.seq for entry in await events_of(runtime, talk)] == [1]
    async with runtime.database.session() as session:
        assert await queries.last_seq(session, talk.id) == 1
        assert await session.scalar(select(func.count()).where(Message.thread_id == talk.id)) == 1


async def test_one_key_in_many_threads_at_once_is_one_message_and_leaves_no_gap(runtime: Runtime) -> None:
    patient = await create_user(runtime, Role.PATIENT)
    talks = [await create_talk(runtime, patient=patient) for _ in range(8)]
    key = str(uuid4())
    outcomes = await asyncio.gather(*(_send(runtime, talk, key) for talk in talks), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(refusal) for refusal in refused] == [IdempotencyKeyReused] * 7
    await asyncio.gather(*(_send(runtime, talk, str(uuid4())) for talk in talks))
    seqs = [[entry.seq for entry in await events_of(runtime, talk)] for talk in talks]
    assert sorted(seqs) == [[1]] * 7 + [[1, 2]]


async def test_fifty_sends_at_once_have_no_gap_and_stand_in_the_order_of_commits(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    people = [talk.patient, talk.other]
    await asyncio.gather(*(say(runtime, talk, people[n % 2], f"Message {n}") for n in range(50)))
    async with runtime.database.session() as session:
        page = await queries.list_messages(session, talk.id, limit=100)
    messages = page.items[::-1]
    assert [message.seq for message in messages] == list(range(1, 51))
    times = [message.created_at for message in messages]
    assert times == sorted(times)
    entries = await events_of(runtime, talk)
    told = [msgspec.json.decode(entry.data)["message"]["id"] for entry in entries]
    assert told == [str(message.id) for message in messages]


async def test_nobody_sees_a_message_before_all_that_precede_it(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    sending = asyncio.gather(*(say(runtime, talk, talk.patient, f"Message {n}") for n in range(30)))
    seen: list[int] = []
    while not sending.done():
        async with runtime.database.session() as session:
            page = await queries.list_messages(session, talk.id, limit=100)
        seqs = [message.seq for message in reversed(page.items)]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= len(seen)
        seen = seqs
    await sending


async def test_a_refused_transaction_leaves_no_gap(runtime: Runtime) -> None:
    talk = await create_talk(runtime)

    async def send_and_be_refused() -> None:
        async with runtime.transactions.begin(talk.patient) as unit:
            await actions.send_message(unit, talk.id, "lost", "Hello")
            await actions.send_message(unit, talk.id, "refused", "")

    with pytest.raises(Validation):
        await send_and_be_refused()
    assert (await say(runtime, talk, talk.patient, "Hello")).seq == 1


async def test_a_patients_message_reopens_a_closed_support_thread(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    async with runtime.transactions.begin(talk.other) as unit:
        await actions.set_status(unit, talk.id, StatusChange.CLOSED)
    assert (await say(runtime, talk, talk.other, "All the best")).seq == 2
    assert (await say(runtime, talk, talk.patient, "One more thing")).seq == 4
    entries = await events_of(runtime, talk)
    names = [entry.name for entry in entries]
    assert names == ["thread.updated", "message.sent", "thread.updated", "message.sent"]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]
    assert msgspec.json.decode(entries[2].data) == {"status": "open"}
    async with runtime.database.session() as session:
        thread = await session.get_one(Thread, talk.id)
    assert thread.status == "open"


async def test_strangers_and_nobody_cannot_send(runtime: Runtime) -> None:
    talk = await create_talk(runtime)
    for role in Role:
        stranger = await create_user(runtime, role)
        with pytest.raises(ThreadNotFound):
            await say(runtime, talk, stranger, "Hello")
    with pytest.raises(Authentication):
        await say(runtime, talk, ANONYMOUS, "Hello")
    with pytest.raises(ThreadNotFound):
        async with runtime.transactions.begin(talk.patient) as unit:
            await actions.send_message(unit, uuid4(), "key", "Hello")
    assert await events_of(runtime, talk) == []


@pytest.mark.parametrize("key", ["", "k" * 65, "\0", "\ud800"])
async def test_a_key_that_cannot_be_stored_is_refused(runtime: Runtime, key: str) -> None:
    talk = await create_talk(runtime)
    with pytest.raises(Validation):
        await _send(runtime, talk, key)


@pytest.mark.parametrize("body", ["a\0b", "\ud83d"])
async def test_a_body_that_cannot_be_stored_is_refused(runtime: Runtime, body: str) -> None:
    talk = await create_talk(runtime)
    with pytest.raises(Validation):
        await _send(runtime, talk, "key", body)
    assert await events_of(runtime, talk) == []

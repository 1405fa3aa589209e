"""What people are told of messages, and when: once, with the right count, whatever happens at the same time."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from core.actor import Actor, Role
from core.runtime import Runtime
from domain.chat.events import thread_channel
from domain.chat.rules import ThreadKind
from domain.notifications import deliveries
from models import Message, Notification, Thread
from tests.domain.chat.builders import Talk, create_talk, create_user, id_of, read, say
from tests.domain.notifications.builders import (
    create_patient,
    deliveries_to,
    events_of,
    inbox,
    is_claimed,
    new_phone,
    reload,
)
from tests.domain.notifications.test_inbox import apply, snapshot
from workers.jobs import sweep_threads, tell_threads

pytestmark = pytest.mark.usefixtures("delay")


async def talk_with(runtime: Runtime, phone: str | None = None) -> Talk:
    patient, _ = await create_patient(runtime, phone=phone)
    return await create_talk(runtime, ThreadKind.CARE, patient, await create_user(runtime, Role.DOCTOR, "Dr. Grace"))


async def say_and_tell(runtime: Runtime, talk: Talk, actor: Actor, body: str) -> None:
    await say(runtime, talk, actor, body)
    await tell_threads(runtime, [talk.id])


async def untold_seq(runtime: Runtime, thread_id: UUID) -> int | None:
    async with runtime.database.session() as session:
        return (await session.get_one(Thread, thread_id)).untold_seq


async def grow_old(runtime: Runtime, talk: Talk) -> None:
    """As if its messages had been written ten seconds earlier."""
    async with runtime.database.session() as session:
        written = Message.created_at - timedelta(seconds=10)
        await session.execute(update(Message).where(Message.thread_id == talk.id).values(created_at=written))
        await session.commit()


@pytest.mark.parametrize("is_told_each_time", [True, False])
async def test_messages_join_in_one_notification_with_one_late_sms(
    runtime: Runtime, delay: timedelta, is_told_each_time: bool
) -> None:
    phone = new_phone()
    talk = await talk_with(runtime, phone)
    for body in ("Your results are here.", "Please call.", "Thanks"):
        await (say_and_tell if is_told_each_time else say)(runtime, talk, talk.other, body)
    await tell_threads(runtime, [talk.id])
    [told] = await inbox(runtime, talk.patient)
    assert (told.type, told.title, told.count) == ("message.received", "Message from Dr. Grace", 3)
    assert (told.data["thread_id"], told.data["seq"]) == (str(talk.id), 3)
    [sms] = await deliveries_to(runtime, phone)
    assert sms.body == "You have a new message at Carebell: https://bell.example.org/chat"
    assert sms.due_at - sms.created_at > delay - timedelta(seconds=5)
    assert await inbox(runtime, talk.other) == []
    assert await untold_seq(runtime, talk.id) is None


async def test_what_is_told_is_not_told_again(runtime: Runtime) -> None:
    talk = await talk_with(runtime)
    await say_and_tell(runtime, talk, talk.other, "one")
    await tell_threads(runtime, [talk.id])
    assert [one.count for one in await inbox(runtime, talk.patient)] == [1]
    assert len(await events_of(runtime, id_of(talk.patient))) == 1


async def test_who_has_read_a_message_before_it_was_told_is_told_of_those_after_it_only(runtime: Runtime) -> None:
    talk = await talk_with(runtime)
    await say(runtime, talk, talk.other, "one")
    await read(runtime, talk, talk.patient, 1)
    await tell_threads(runtime, [talk.id])
    assert await inbox(runtime, talk.patient) == []
    await say(runtime, talk, talk.other, "two")
    await read(runtime, talk, talk.patient, 3)
    await say(runtime, talk, talk.other, "three")
    await tell_threads(runtime, [talk.id])
    assert [(one.count, one.read_at) for one in await inbox(runtime, talk.patient)] == [(1, None)]


async def test_an_sms_is_cancelled_when_the_thread_was_read_meanwhile(runtime: Runtime) -> None:
    phone = new_phone()
    talk = await talk_with(runtime, phone)
    await say_and_tell(runtime, talk, talk.other, "one")
    await say_and_tell(runtime, talk, talk.other, "two")
    await read(runtime, talk, talk.patient, 1)
    [told] = await inbox(runtime, talk.patient)
    assert told.read_at is None, "the second message is unread"
    await read(runtime, talk, talk.patient, 2)
    [told] = await inbox(runtime, talk.patient)
    assert told.read_at is not None
    [sms] = await deliveries_to(runtime, phone)
    assert not await is_claimed(runtime, sms)
    assert (await reload(runtime, sms.id)).status == "cancelled"


@pytest.mark.parametrize("is_told_before", [True, False])
async def test_answering_is_reading(runtime: Runtime, is_told_before: bool) -> None:
    talk = await talk_with(runtime)
    await (say_and_tell if is_told_before else say)(runtime, talk, talk.other, "one")
    await say_and_tell(runtime, talk, talk.patient, "two")
    assert [one.read_at is None for one in await inbox(runtime, talk.patient)] == [False] * is_told_before
    assert [one.read_at for one in await inbox(runtime, talk.other)] == [None]


async def test_an_unread_message_is_sent_by_sms_when_its_time_has_come(runtime: Runtime) -> None:
    phone = new_phone()
    talk = await talk_with(runtime, phone)
    await say_and_tell(runtime, talk, talk.other, "one")
    [sms] = await deliveries_to(runtime, phone)
    async with runtime.transactions.begin() as unit:
        assert await deliveries.claim_delivery(unit, sms.id, timedelta(seconds=30)) is None, "too early"
    assert (await reload(runtime, sms.id)).status == "pending"
    assert await is_claimed(runtime, sms)


async def test_what_a_dead_process_did_not_tell_is_told_by_the_sweep(runtime: Runtime) -> None:
    talk = await talk_with(runtime)
    await say(runtime, talk, talk.other, "one")
    await say(runtime, talk, talk.other, "two")
    await sweep_threads(runtime)
    assert await inbox(runtime, talk.patient) == [], "whoever wrote them may still be alive"
    await grow_old(runtime, talk)
    assert await sweep_threads(runtime) > 0
    assert [one.count for one in await inbox(runtime, talk.patient)] == [2]


async def test_a_thread_that_cannot_be_told_holds_up_no_other(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its first notification counts as many messages as a number can hold: one more is an error each time."""
    talks = [await talk_with(runtime) for _ in range(3)]
    broken = min(talks, key=lambda talk: talk.id)
    await say_and_tell(runtime, broken, broken.other, "one")
    async with runtime.transactions.begin() as unit:
        about = Notification.subject_key == thread_channel(broken.id)
        await unit.session.execute(update(Notification).where(about).values(count=2**31 - 1))
    for talk in talks:
        await say(runtime, talk, talk.other, "two")
        await grow_old(runtime, talk)
    await sweep_threads(runtime)
    for talk in talks:
        if talk is not broken:
            assert [one.count for one in await inbox(runtime, talk.patient)] == [1]
    assert f"thread_id={broken.id}" in capsys.readouterr().out
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(Notification).where(about).values(count=1))
    assert await sweep_threads(runtime) > 0
    assert [one.count for one in await inbox(runtime, broken.patient)] == [2], "it is tried again"


async def test_threads_of_one_person_told_together_count_right_in_every_event(runtime: Runtime) -> None:
    patient, _ = await create_patient(runtime)
    talks = [await create_talk(runtime, ThreadKind.CARE, patient) for _ in range(4)]
    for step in range(3):
        for talk in talks[step:]:
            await say(runtime, talk, talk.other, f"{step}")
        await say(runtime, talks[step], patient, "Thanks")
        await tell_threads(runtime, [talk.id for talk in talks])
    state: dict[str, Any] = {"unread": 0, "notifications": []}
    for entry in await events_of(runtime, id_of(patient)):
        state = apply(state, entry)
        assert state["unread"] == sum(not one["is_read"] for one in state["notifications"])
    assert state == await snapshot(runtime, id_of(patient))
    assert [(one["count"], one["is_read"]) for one in state["notifications"]].count((3, False)) == 1


async def test_everybody_is_told_of_every_message_once_whoever_tells_at_the_same_time(runtime: Runtime) -> None:
    patient, _ = await create_patient(runtime)
    talks = [await create_talk(runtime, patient=patient) for _ in range(3)]

    async def write(talk: Talk) -> None:
        for number in range(12):
            await say(runtime, talk, talk.other, f"{number}")

    async def tell() -> None:
        while not writing.done():
            await tell_threads(runtime, [talk.id for talk in reversed(talks)])

    writing = asyncio.gather(*(write(talk) for talk in talks))
    await asyncio.gather(writing, tell(), tell(), tell())
    await tell_threads(runtime, [talk.id for talk in talks])
    assert [one.count for one in await inbox(runtime, patient)] == [12, 12, 12]
    told = await events_of(runtime, id_of(patient))
    assert [entry.seq for entry in told] == list(range(1, len(told) + 1))


async def test_reading_while_it_is_told_leaves_nothing_unread(runtime: Runtime) -> None:
    talk = await talk_with(runtime)
    for number in range(1, 16):
        await say(runtime, talk, talk.other, f"{number}")
        await asyncio.gather(tell_threads(runtime, [talk.id]), read(runtime, talk, talk.patient, 1_000_000))
    await tell_threads(runtime, [talk.id])
    assert all(one.read_at is not None for one in await inbox(runtime, talk.patient))

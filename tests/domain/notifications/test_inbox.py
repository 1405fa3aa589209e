"""A person's notifications: what the channel carries adds up to what a fresh snapshot says."""

import asyncio
import random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from core.actor import ANONYMOUS, Actor
from core.errors import Authentication
from core.runtime import Runtime
from core.streams import Entry
from domain.notifications import actions, queries
from domain.notifications.errors import NotificationNotFound
from models import Notification
from tests.domain.notifications.builders import create_patient, deliveries_to, events_of, new_phone, tell


def apply(inbox: dict[str, Any], entry: Entry) -> dict[str, Any]:
    """What a client does with an event: the rule of the protocol in a few lines."""
    data = msgspec.json.decode(entry.data)
    shown: list[dict[str, Any]] = inbox["notifications"]
    match entry.name:
        case "notification.upserted":
            fresh = data["notification"]
            shown = [fresh, *(one for one in shown if one["id"] != fresh["id"])]
            shown.sort(key=lambda one: (one["updated_at"], one["id"]), reverse=True)
        case "notification.removed":
            shown = [one for one in shown if one["id"] != data["id"]]
        case "notifications.read":
            shown = [{**one, "is_read": True} for one in shown]
    return {"unread": data["unread"], "notifications": shown}


async def snapshot(runtime: Runtime, user_id: UUID) -> dict[str, Any]:
    """What the hub sends to somebody who subscribes now."""
    async with runtime.database.snapshot() as session:
        state = await queries.user_snapshot(session, user_id)
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state))
    return found


async def mark_read(runtime: Runtime, actor: Actor, notification_id: UUID) -> Notification:
    async with runtime.transactions.begin(actor) as unit:
        return await actions.mark_read(unit, notification_id)


async def remove(runtime: Runtime, actor: Actor, notification_id: UUID) -> None:
    async with runtime.transactions.begin(actor) as unit:
        await actions.remove(unit, notification_id)


async def test_news_of_a_subject_joins_while_it_is_unread(runtime: Runtime) -> None:
    actor, _ = await create_patient(runtime)
    assert actor.user_id is not None
    first = await tell(runtime, actor.user_id, subject="thread:1", seq=1)
    second = await tell(runtime, actor.user_id, subject="thread:1", seq=2)
    other = await tell(runtime, actor.user_id, subject="thread:2")
    assert (second.id, second.count, second.data["seq"]) == (first.id, 2, 2)
    assert other.id != first.id
    await mark_read(runtime, actor, first.id)
    third = await tell(runtime, actor.user_id, subject="thread:1", seq=3)
    assert (third.id != first.id, third.count) == (True, 1)
    assert (await snapshot(runtime, actor.user_id))["unread"] == 2


async def test_only_new_news_is_sent_by_sms(runtime: Runtime) -> None:
    actor, _ = await create_patient(runtime)
    phone = new_phone()
    for seq in range(1, 4):
        await tell(runtime, actor.user_id, subject="thread:1", seq=seq, phone=phone)
    assert len(await deliveries_to(runtime, phone)) == 1


async def test_an_impossible_number_is_suppressed_and_said(runtime: Runtime) -> None:
    actor, _ = await create_patient(runtime)
    await tell(runtime, actor.user_id, phone="12 34")
    [delivery] = await deliveries_to(runtime, "12 34")
    assert (delivery.status, delivery.error_code) == ("suppressed", "INVALID_PHONE")


async def test_reading_keeps_the_place_in_the_list_and_is_said_once(runtime: Runtime) -> None:
    actor, _ = await create_patient(runtime)
    assert actor.user_id is not None
    first = await tell(runtime, actor.user_id)
    await tell(runtime, actor.user_id)
    read = await mark_read(runtime, actor, first.id)
    again = await mark_read(runtime, actor, first.id)
    assert read.updated_at == again.updated_at == first.updated_at
    assert [entry.name for entry in await events_of(runtime, actor.user_id)] == ["notification.upserted"] * 3


async def test_what_is_removed_is_gone_and_later_news_is_new(runtime: Runtime) -> None:
    actor, _ = await create_patient(runtime)
    assert actor.user_id is not None
    first = await tell(runtime, actor.user_id, subject="thread:1")
    await remove(runtime, actor, first.id)
    assert await snapshot(runtime, actor.user_id) == {"unread": 0, "notifications": []}
    with pytest.raises(NotificationNotFound):
        await remove(runtime, actor, first.id)
    second = await tell(runtime, actor.user_id, subject="thread:1")
    assert (second.id != first.id, second.count) == (True, 1)


async def test_somebody_else_s_is_not_found_and_nobody_is_asked_to_sign_in(runtime: Runtime) -> None:
    actor, _ = await create_patient(runtime)
    stranger, _ = await create_patient(runtime)
    one = await tell(runtime, actor.user_id)
    for act in (mark_read, remove):
        with pytest.raises(NotificationNotFound):
            await act(runtime, stranger, one.id)
        with pytest.raises(Authentication):
            await act(runtime, ANONYMOUS, one.id)


async def test_events_at_the_same_time_add_up_to_the_snapshot(runtime: Runtime) -> None:
    """Twelve writers at once: each event's ``unread`` is right in the order of the channel."""
    actor, _ = await create_patient(runtime)
    assert actor.user_id is not None
    user_id = actor.user_id
    choice = random.Random(7)

    async def act(number: int) -> None:
        told = await tell(runtime, user_id, subject=f"thread:{number % 4}" if number % 3 else None, seq=number)
        match choice.randrange(4):
            case 0:
                await mark_read(runtime, actor, told.id)
            case 1 if number % 3 == 0:
                await remove(runtime, actor, told.id)
            case 2:
                async with runtime.transactions.begin(actor) as unit:
                    await actions.mark_all_read(unit)

    for _ in range(3):
        await asyncio.gather(*(act(number) for number in range(12)), return_exceptions=False)
    state: dict[str, Any] = {"unread": 0, "notifications": []}
    for entry in await events_of(runtime, user_id):
        state = apply(state, entry)
        assert state["unread"] == sum(not one["is_read"] for one in state["notifications"])
    fresh = await snapshot(runtime, user_id)
    assert {**state, "notifications": state["notifications"][:20]} == fresh

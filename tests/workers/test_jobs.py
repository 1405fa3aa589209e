"""Deliveries from claim to conclusion, on a real Postgres and with Twilio's real SDK."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from domain.notifications import deliveries, rules
from domain.notifications.events import user_channel
from domain.notifications.rules import DeliveryStatus, Outcome
from models import Delivery, LocalMessage, Stream, StreamEvent
from tests.conftest import running
from tests.domain.notifications.builders import (
    create_patient,
    events_of,
    make_due,
    new_phone,
    plan_sms,
    reload,
    tell,
)
from tests.support.twilio_server import Fault, TwilioServer
from tests.support.web import eventually
from workers import jobs
from workers.providers import create_provider
from workers.providers.local import LocalProvider
from workers.providers.twilio import TwilioProvider


@pytest.fixture
async def worker(twilio_settings: Settings) -> AsyncIterator[Runtime]:
    """The runtime of a worker that has Twilio."""
    async with running(twilio_settings) as made:
        yield made


async def attempt(worker: Runtime, provider: TwilioProvider, delivery_id: UUID) -> DeliveryStatus | None:
    """One more, as if its time had come."""
    await make_due(worker, delivery_id)
    return await jobs.send_sms(worker, provider, delivery_id)


async def test_a_delivery_is_sent_once_however_often_it_is_asked_for(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer
) -> None:
    delivery = await plan_sms(worker)
    outcomes = await asyncio.gather(*(jobs.send_sms(worker, provider, delivery.id) for _ in range(8)))
    assert sorted(filter(None, outcomes)) == ["sent"]
    assert await attempt(worker, provider, delivery.id) is None
    assert twilio.bodies(delivery.address) == [delivery.body]
    done = await reload(worker, delivery.id)
    assert (done.status, done.provider, done.provider_id) == ("sent", "twilio", twilio.messages[0]["sid"])
    assert (done.attempts, done.lease_until, done.sent_at is not None) == (1, None, True)


async def test_no_connection_is_held_while_the_provider_thinks(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer
) -> None:
    twilio.faults.append(Fault.HANG)
    delivery = await plan_sms(worker)
    sending = asyncio.create_task(jobs.send_sms(worker, provider, delivery.id))
    await eventually(twilio.received.is_set)
    assert worker.database.engine.pool.status().count("Current Checked out connections: 0") == 1
    assert (await reload(worker, delivery.id)).status == "sending"
    assert await sending == "unknown"


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.UNAVAILABLE])
async def test_what_was_not_taken_is_tried_again_without_a_look(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer, fault: Fault
) -> None:
    twilio.faults.append(fault)
    delivery = await plan_sms(worker)
    assert await jobs.send_sms(worker, provider, delivery.id) == "failed"
    failed = await reload(worker, delivery.id)
    assert failed.due_at > now()
    assert await jobs.send_sms(worker, provider, delivery.id) is None, "not before its time"
    assert await attempt(worker, provider, delivery.id) == "sent"
    assert (twilio.look_ups, twilio.bodies(delivery.address)) == (0, [delivery.body])


@pytest.mark.parametrize("fault", [Fault.HANG_TAKEN, Fault.CUT_TAKEN, Fault.INTERNAL_TAKEN, Fault.GARBAGE_TAKEN])
async def test_an_answer_that_never_came_is_looked_up_and_not_sent_twice(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer, fault: Fault
) -> None:
    twilio.faults.append(fault)
    delivery = await plan_sms(worker)
    assert await jobs.send_sms(worker, provider, delivery.id) == "unknown"
    assert await attempt(worker, provider, delivery.id) == "sent"
    assert (twilio.sends, twilio.bodies(delivery.address)) == (1, [delivery.body])
    assert (await reload(worker, delivery.id)).provider_id == twilio.messages[0]["sid"]


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.INTERNAL])
async def test_an_unknown_message_that_is_not_there_is_sent(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer, fault: Fault
) -> None:
    twilio.faults.append(fault)
    delivery = await plan_sms(worker)
    assert await jobs.send_sms(worker, provider, delivery.id) == "unknown"
    assert await attempt(worker, provider, delivery.id) == "sent"
    assert (twilio.look_ups, twilio.bodies(delivery.address)) == (1, [delivery.body])


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.INTERNAL, Fault.HANG])
async def test_nothing_is_sent_while_it_cannot_be_looked_up(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer, fault: Fault
) -> None:
    twilio.faults.append(Fault.CUT_TAKEN)
    twilio.list_faults.append(fault)
    delivery = await plan_sms(worker)
    assert await jobs.send_sms(worker, provider, delivery.id) == "unknown"
    assert await attempt(worker, provider, delivery.id) == "unknown"
    assert twilio.sends == 1
    assert await attempt(worker, provider, delivery.id) == "sent"
    assert twilio.bodies(delivery.address) == [delivery.body]


async def test_another_delivery_s_message_is_not_taken_for_this_one(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer
) -> None:
    """Two people of a family share a number; both texts are the same; only the first was taken."""
    phone = new_phone()
    first, second = await plan_sms(worker, phone), await plan_sms(worker, phone)
    async with worker.transactions.begin() as unit:
        await unit.session.execute(update(Delivery).where(Delivery.address == phone).values(body="the same"))
    assert await jobs.send_sms(worker, provider, first.id) == "sent"
    twilio.faults.append(Fault.HANG)
    assert await jobs.send_sms(worker, provider, second.id) == "unknown"
    assert await attempt(worker, provider, second.id) == "sent"
    assert twilio.bodies(phone) == ["the same", "the same"]


async def test_a_number_that_cannot_be_reached_is_not_tried_again(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer
) -> None:
    twilio.faults.append(Fault.INVALID_NUMBER)
    delivery = await plan_sms(worker)
    assert await jobs.send_sms(worker, provider, delivery.id) == "undeliverable"
    assert await attempt(worker, provider, delivery.id) is None
    assert (await reload(worker, delivery.id)).error_code == "21211"


async def test_wrong_credentials_are_said_loudly_and_waited_for(
    worker: Runtime, twilio_settings: Settings, provider: TwilioProvider, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = TwilioProvider(twilio_settings.model_copy(update={"twilio_account_sid": "AC" + "1" * 32}))
    delivery = await plan_sms(worker)
    with caplog.at_level(logging.ERROR):
        assert await jobs.send_sms(worker, stranger, delivery.id) == "failed"
    failed = await reload(worker, delivery.id)
    assert (failed.error_code, failed.due_at > now() + timedelta(minutes=1)) == ("20003", True)
    assert delivery.body not in caplog.text
    assert await attempt(worker, provider, delivery.id) == "sent"


async def test_failures_are_given_up_after_a_while(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer
) -> None:
    twilio.faults.extend([Fault.RATE_LIMIT] * rules.MAX_ATTEMPTS)
    delivery = await plan_sms(worker)
    statuses = [await attempt(worker, provider, delivery.id) for _ in range(rules.MAX_ATTEMPTS + 1)]
    assert statuses == [*["failed"] * (rules.MAX_ATTEMPTS - 1), "undeliverable", None]
    assert twilio.messages == []


async def test_a_worker_that_is_too_late_does_not_undo_what_another_has_done(
    worker: Runtime, provider: TwilioProvider
) -> None:
    delivery = await plan_sms(worker)
    async with worker.transactions.begin() as unit:
        slow = await deliveries.claim_delivery(unit, delivery.id, timedelta(seconds=1))
    assert slow is not None
    assert await attempt(worker, provider, delivery.id) == "sent"
    for status in (DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN, DeliveryStatus.UNDELIVERABLE):
        async with worker.transactions.begin() as unit:
            assert await deliveries.conclude_delivery(unit, slow, Outcome(status, "twilio")) == "sent"


async def test_the_success_of_a_worker_that_was_thought_dead_counts(worker: Runtime) -> None:
    delivery = await plan_sms(worker)
    async with worker.transactions.begin() as unit:
        slow = await deliveries.claim_delivery(unit, delivery.id, timedelta(seconds=1))
    await make_due(worker, delivery.id)
    async with worker.transactions.begin() as unit:
        second = await deliveries.claim_delivery(unit, delivery.id, timedelta(seconds=30))
    assert slow is not None
    assert second is not None
    assert second.may_be_out
    async with worker.transactions.begin() as unit:
        await deliveries.conclude_delivery(unit, slow, Outcome(DeliveryStatus.SENT, "twilio", "SM1"))
    async with worker.transactions.begin() as unit:
        failed = Outcome(DeliveryStatus.FAILED, "twilio", error_code="20429")
        assert await deliveries.conclude_delivery(unit, second, failed) == "sent"
    assert (await reload(worker, delivery.id)).provider_id == "SM1"


async def test_the_sweep_asks_once_for_what_is_overdue(worker: Runtime, provider: TwilioProvider) -> None:
    lost, planned, done = await plan_sms(worker), await plan_sms(worker), await plan_sms(worker)
    abandoned = await plan_sms(worker)
    await jobs.send_sms(worker, provider, done.id)
    async with worker.transactions.begin() as unit:
        await unit.session.execute(
            update(Delivery).where(Delivery.id == planned.id).values(due_at=now() + timedelta(minutes=1))
        )
        await deliveries.claim_delivery(unit, abandoned.id, timedelta(seconds=-1))
    async with worker.transactions.begin() as unit:
        asked = set(await deliveries.hand_out_overdue(unit, 10_000))
        assert asked & {lost.id, planned.id, done.id, abandoned.id} == {lost.id, abandoned.id}
        assert ("workers.tasks.send_sms", (str(lost.id),)) in unit.tasks
    async with worker.transactions.begin() as unit:
        again = set(await deliveries.hand_out_overdue(unit, 10_000))
    assert again & {lost.id, abandoned.id} == {abandoned.id}, "a claim that is over is urgent, a lost task can wait"
    assert await jobs.send_sms(worker, provider, lost.id) == "sent", "being asked for is no claim"


async def test_what_is_not_wanted_any_more_is_looked_up_but_not_sent(
    worker: Runtime, provider: TwilioProvider, twilio: TwilioServer
) -> None:
    actor, _ = await create_patient(worker)
    statuses = []
    for fault in (Fault.HANG, Fault.HANG_TAKEN):
        phone = new_phone()
        told = await tell(worker, actor.user_id, phone=phone)
        async with worker.database.session() as session:
            delivery_id = await session.scalar(select(Delivery.id).where(Delivery.notification_id == told.id))
        assert delivery_id is not None
        twilio.faults.append(fault)
        assert await jobs.send_sms(worker, provider, delivery_id) == "unknown"
        async with worker.transactions.begin() as unit:
            await unit.session.execute(update(type(told)).where(type(told).id == told.id).values(read_at=unit.at))
        statuses.append(await attempt(worker, provider, delivery_id))
    assert statuses == ["cancelled", "sent"]
    assert twilio.sends == 2


async def test_the_local_provider_keeps_each_delivery_once(runtime: Runtime, settings: Settings) -> None:
    provider = create_provider(settings, runtime.database)
    assert isinstance(provider, LocalProvider)
    delivery = await plan_sms(runtime)
    assert await jobs.send_sms(runtime, provider, delivery.id) == "delivered"
    first = await provider.send(delivery.address, delivery.body, delivery.id)
    assert await provider.find(delivery.address, delivery.body, delivery.created_at) == [first]
    async with runtime.database.session() as session:
        count = await session.scalar(
            select(func.count()).select_from(LocalMessage).where(LocalMessage.delivery_id == delivery.id)
        )
    assert count == 1


async def test_old_events_are_pruned_and_younger_ones_stay(runtime: Runtime) -> None:
    actor, _ = await create_patient(runtime)
    assert actor.user_id is not None
    for _ in range(3):
        await tell(runtime, actor.user_id)
    channel = user_channel(actor.user_id)
    async with runtime.transactions.begin() as unit:
        stream_id = await unit.session.scalar(select(Stream.id).where(Stream.channel == channel))
        long_ago = unit.at - timedelta(days=runtime.settings.event_retention_days, minutes=1)
        await unit.session.execute(
            update(StreamEvent).where(StreamEvent.stream_id == stream_id, StreamEvent.seq <= 2).values(at=long_ago)
        )
    assert await jobs.prune_events(runtime) == 2
    assert [entry.seq for entry in await events_of(runtime, actor.user_id)] == [3]

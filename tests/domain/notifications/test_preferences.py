"""What people do not want by SMS is not sent, whether it was planned before they said so or not."""

from datetime import timedelta
from uuid import UUID

from core.actor import Actor, Role
from core.clock import now
from core.runtime import Runtime
from domain.chat.rules import ThreadKind
from domain.notifications import actions, deliveries, queries
from domain.notifications.rules import DeliveryStatus, NotificationType, QuietHours
from tests.domain.chat.builders import create_talk, create_user, id_of, say
from tests.domain.notifications.builders import (
    call_ticket,
    create_patient,
    deliveries_to,
    make_due,
    new_phone,
    recall,
    reload,
    tell,
)
from workers.jobs import tell_threads


async def choose(runtime: Runtime, actor: Actor, kind: NotificationType, *, is_wanted: bool) -> None:
    async with runtime.transactions.begin(actor) as unit:
        await actions.choose_sms(unit, {kind: is_wanted})


async def test_each_type_is_turned_off_by_itself(runtime: Runtime) -> None:
    phone = new_phone()
    actor, patient_id = await create_patient(runtime, phone=phone)
    await choose(runtime, actor, NotificationType.TICKET_CALLED, is_wanted=False)
    ticket = await call_ticket(runtime, patient_id)
    assert await deliveries_to(runtime, phone) == []
    # In the product it is told all the same.
    async with runtime.database.session() as session:
        assert await queries.count_unread(session, id_of(actor)) == 1
    talk = await create_talk(runtime, ThreadKind.CARE, actor, await create_user(runtime, Role.DOCTOR, "Dr. Grace"))
    await say(runtime, talk, talk.other, "Good morning")
    await tell_threads(runtime, [talk.id])
    assert len(await deliveries_to(runtime, phone)) == 1
    await choose(runtime, actor, NotificationType.TICKET_CALLED, is_wanted=True)
    await recall(runtime, ticket)
    assert len(await deliveries_to(runtime, phone)) == 2


async def test_messages_are_told_in_the_product_only(runtime: Runtime) -> None:
    phone = new_phone()
    actor, _ = await create_patient(runtime, phone=phone)
    await choose(runtime, actor, NotificationType.MESSAGE_RECEIVED, is_wanted=False)
    talk = await create_talk(runtime, ThreadKind.CARE, actor, await create_user(runtime, Role.DOCTOR, "Dr. Grace"))
    await say(runtime, talk, talk.other, "Good morning")
    await tell_threads(runtime, [talk.id])
    assert await deliveries_to(runtime, phone) == []
    async with runtime.database.session() as session:
        assert await queries.count_unread(session, id_of(actor)) == 1


async def test_what_was_planned_before_is_cancelled(runtime: Runtime) -> None:
    phone = new_phone()
    actor, _ = await create_patient(runtime, phone=phone)
    await tell(runtime, actor.user_id)
    [planned] = await deliveries_to(runtime, phone)
    await choose(runtime, actor, NotificationType.MESSAGE_RECEIVED, is_wanted=False)
    await make_due(runtime, planned.id)
    async with runtime.transactions.begin() as unit:
        assert await deliveries.claim_delivery(unit, planned.id, timedelta(seconds=30)) is None
    assert (await reload(runtime, planned.id)).status == DeliveryStatus.CANCELLED


def _around_now() -> QuietHours:
    return QuietHours((now() - timedelta(hours=6)).time(), (now() + timedelta(hours=6)).time(), "UTC")


async def _claim(runtime: Runtime, delivery_id: UUID) -> deliveries.Claim | None:
    async with runtime.transactions.begin() as unit:
        return await deliveries.claim_delivery(unit, delivery_id, timedelta(seconds=30))


async def test_in_quiet_hours_a_message_waits_and_a_call_does_not(runtime: Runtime) -> None:
    phone = new_phone()
    actor, patient_id = await create_patient(runtime, phone=phone)
    await tell(runtime, actor.user_id)
    [message] = await deliveries_to(runtime, phone)
    async with runtime.transactions.begin(actor) as unit:
        await actions.choose_quiet_hours(unit, _around_now())
    assert await _claim(runtime, message.id) is None
    waiting = await reload(runtime, message.id)
    assert (waiting.status, waiting.lease_until, waiting.attempts) == (DeliveryStatus.PENDING, None, 0)
    assert timedelta(hours=5) < waiting.due_at - now() <= timedelta(hours=6)
    await call_ticket(runtime, patient_id)
    [call] = [one for one in await deliveries_to(runtime, phone) if one.id != message.id]
    assert await _claim(runtime, call.id) is not None
    async with runtime.transactions.begin(actor) as unit:
        await actions.choose_quiet_hours(unit, None)
    await make_due(runtime, message.id)
    assert await _claim(runtime, message.id) is not None


async def test_what_a_dead_worker_left_is_looked_up_after_the_quiet_hours(runtime: Runtime) -> None:
    phone = new_phone()
    actor, _ = await create_patient(runtime, phone=phone)
    await tell(runtime, actor.user_id)
    [message] = await deliveries_to(runtime, phone)
    async with runtime.transactions.begin() as unit:
        await deliveries.claim_delivery(unit, message.id, timedelta(seconds=-1))
    async with runtime.transactions.begin(actor) as unit:
        await actions.choose_quiet_hours(unit, _around_now())
    assert await _claim(runtime, message.id) is None
    left = await reload(runtime, message.id)
    assert (left.status, left.lease_until) == (DeliveryStatus.UNKNOWN, None)
    await make_due(runtime, message.id)
    async with runtime.transactions.begin(actor) as unit:
        await actions.choose_quiet_hours(unit, None)
    claim = await _claim(runtime, message.id)
    assert claim is not None
    assert claim.may_be_out

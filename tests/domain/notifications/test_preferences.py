"""What people do not want by SMS is not sent, whether it was planned before they said so or not."""

from datetime import timedelta

from core.actor import Actor, Role
from core.runtime import Runtime
from domain.chat.rules import ThreadKind
from domain.notifications import actions, deliveries, queries
from domain.notifications.rules import DeliveryStatus, NotificationType
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

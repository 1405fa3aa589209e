"""What people are told when tickets are called."""

import pytest

from core.clock import now
from core.runtime import Runtime
from domain.queueing import actions as queueing
from domain.queueing.rules import TicketStatus
from models import Notification
from tests.domain.notifications.builders import (
    call_ticket,
    create_patient,
    deliveries_to,
    inbox,
    is_claimed,
    new_phone,
    recall,
    reload,
)

pytestmark = pytest.mark.usefixtures("delay")


async def test_a_called_patient_is_told_in_the_product_and_by_sms(runtime: Runtime) -> None:
    phone = new_phone()
    actor, patient_id = await create_patient(runtime, phone=phone)
    ticket = await call_ticket(runtime, patient_id)
    [told] = await inbox(runtime, actor)
    assert (told.type, told.body) == ("ticket.called", f"{ticket.code}: please come to Desk 1.")
    assert told.data["ticket_id"] == str(ticket.id)
    [sms] = await deliveries_to(runtime, phone)
    assert sms.body == f"{told.body} https://bell.example.org/ticket/{ticket.link}"
    assert "Pat" not in sms.body
    assert (sms.status, sms.due_at <= now()) == ("pending", True)


async def test_a_call_that_was_taken_back_is_not_told_once_there_is_another(runtime: Runtime) -> None:
    phone = new_phone()
    _, patient_id = await create_patient(runtime, phone=phone)
    ticket = await call_ticket(runtime, patient_id)
    for status in (TicketStatus.WAITING, TicketStatus.CALLED):
        async with runtime.transactions.begin() as unit:
            await queueing.change_status(unit, ticket.id, status, counter_id=ticket.counter_id)
    first, second = await deliveries_to(runtime, phone)
    assert not await is_claimed(runtime, first)
    assert (await reload(runtime, first.id)).status == "cancelled"
    assert await is_claimed(runtime, second)


async def test_a_walk_in_without_an_account_gets_the_sms_alone(runtime: Runtime) -> None:
    phone = new_phone()
    await call_ticket(runtime, phone=phone)
    [sms] = await deliveries_to(runtime, phone)
    async with runtime.database.session() as session:
        notification = await session.get_one(Notification, sms.notification_id)
    assert notification.user_id is None


async def test_without_phone_and_account_nobody_is_told(runtime: Runtime) -> None:
    before = await _count(runtime)
    await call_ticket(runtime)
    assert await _count(runtime) == before


async def _count(runtime: Runtime) -> int:
    async with runtime.database.session() as session:
        found = await session.execute(Notification.__table__.select())
        return len(found.all())


async def test_a_recall_tells_again_and_takes_the_place_of_what_was_not_sent_yet(runtime: Runtime) -> None:
    phone = new_phone()
    actor, patient_id = await create_patient(runtime, phone=phone)
    ticket = await call_ticket(runtime, patient_id)
    await recall(runtime, ticket)
    assert len(await inbox(runtime, actor)) == 2
    first, second = await deliveries_to(runtime, phone)
    assert second.body.startswith(f"{ticket.code}, call 2: ")
    assert not await is_claimed(runtime, first)
    assert (await reload(runtime, first.id)).status == "cancelled"
    assert await is_claimed(runtime, second)

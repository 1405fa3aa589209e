"""The way of a delivery: claimed with a lease, tried outside of any transaction, concluded.

A worker that is killed leaves its claim behind. Once the lease is over another one takes it up, and looks the message
up at the provider before it sends.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from core.logging import get_logger
from core.tasks import SEND_SMS
from core.unit_of_work import UnitOfWork
from domain.notifications import queries, rules
from domain.notifications.rules import DeliveryStatus, NotificationType, Outcome
from models import Delivery, Notification

log = get_logger(__name__)

_TOLD_AGAIN_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to try a delivery until ``lease_until``.

    ``may_be_out``: an earlier attempt may have reached the provider, so that it is looked up first. Where it is not
    ``is_wanted`` any more, looking it up is all that is done.
    """

    delivery_id: UUID
    address: str
    body: str
    created_at: datetime
    lease_until: datetime
    may_be_out: bool
    is_wanted: bool


async def claim_delivery(unit: UnitOfWork, delivery_id: UUID, lease: timedelta) -> Claim | None:
    """Take a delivery that is due, or that another worker did not finish in its time; None when it is neither.

    None as well when its person has quiet hours: it is due when they end.
    """
    row = await queries.lock_claimable(unit.session, delivery_id, unit.at)
    if row is None:
        return None
    delivery, notification = row
    status = DeliveryStatus(delivery.status)
    may_be_out = status in rules.UNCERTAIN
    is_wanted = await _is_still_wanted(unit, notification)
    if not is_wanted and not may_be_out:
        _move(delivery, DeliveryStatus.CANCELLED)
        return None
    wait_until = await _quiet_until(unit, notification)
    if is_wanted and wait_until is not None:
        if status == DeliveryStatus.SENDING:
            _move(delivery, DeliveryStatus.UNKNOWN)
        delivery.due_at, delivery.lease_until = wait_until, None
        return None
    if delivery.attempts >= rules.MAX_ATTEMPTS:
        # Every worker that touched it died: a person has to look at it.
        log.error("delivery_given_up", delivery_id=str(delivery_id), attempts=delivery.attempts)
        _move(delivery, DeliveryStatus.UNKNOWN)
        return None
    _move(delivery, DeliveryStatus.SENDING)
    delivery.attempts += 1
    delivery.lease_until = unit.at + lease
    await unit.session.flush()
    return Claim(
        delivery.id, delivery.address, delivery.body, delivery.created_at, delivery.lease_until, may_be_out, is_wanted
    )


async def conclude_delivery(unit: UnitOfWork, claim: Claim, outcome: Outcome) -> DeliveryStatus:
    """Write down how the attempt ended. Returns the status of the delivery now.

    A worker whose lease ran out meanwhile is only heard when its news is final: that the provider has the message.
    """
    delivery = await queries.lock_delivery(unit.session, claim.delivery_id)
    current = DeliveryStatus(delivery.status)
    wanted, due_at = rules.conclude(outcome, delivery.attempts, random.random(), unit.at)  # noqa: S311 - jitter
    is_ours = current == DeliveryStatus.SENDING and delivery.lease_until == claim.lease_until
    if not is_ours and outcome.provider_id is None:
        return current
    if not rules.may_become(current, wanted):
        log.warning("delivery_outcome_late", delivery_id=str(delivery.id), status=current, outcome=wanted)
        return current
    _move(delivery, wanted)
    delivery.lease_until = None
    delivery.provider = outcome.provider
    delivery.provider_id = outcome.provider_id or delivery.provider_id
    delivery.error_code = outcome.error_code
    if due_at is not None:
        delivery.due_at = due_at
    if wanted in {DeliveryStatus.SENT, DeliveryStatus.DELIVERED}:
        delivery.sent_at = unit.at
    log.info("delivery_concluded", delivery_id=str(delivery.id), status=wanted, error_code=outcome.error_code)
    return wanted


async def hand_out_overdue(unit: UnitOfWork, limit: int) -> Sequence[UUID]:
    """Ask the workers for deliveries whose time has come: planned, to be retried, lost on the way, or left behind.

    The same one is not asked for again within 30 s, so that a long queue does not grow by it. Returns their ids.
    """
    overdue = await queries.lock_overdue(unit.session, unit.at, limit)
    for delivery in overdue:
        if delivery.status != DeliveryStatus.SENDING:
            delivery.lease_until = unit.at + _TOLD_AGAIN_AFTER
        unit.enqueue(SEND_SMS, str(delivery.id))
    await unit.session.flush()
    return [delivery.id for delivery in overdue]


async def _quiet_until(unit: UnitOfWork, notification: Notification) -> datetime | None:
    """Asked when it is sent, not when it was planned: quiet hours may have begun, or changed, since."""
    if notification.user_id is None:
        return None
    hours = await queries.find_quiet_hours(unit.session, notification.user_id)
    return rules.quiet_until(hours, NotificationType(notification.type), unit.at)


def _move(delivery: Delivery, wanted: DeliveryStatus) -> None:
    """The one place where a delivery's status changes; the caller holds its row lock and knows that it may."""
    assert rules.may_become(DeliveryStatus(delivery.status), wanted), (delivery.status, wanted)
    delivery.status = wanted


async def _is_still_wanted(unit: UnitOfWork, notification: Notification) -> bool:
    """Looked at when it is sent, not only when it was planned."""
    kind = NotificationType(notification.type)
    if notification.user_id and await queries.has_muted(unit.session, notification.user_id, kind):
        return False
    ticket_id = notification.data.get("ticket_id")
    ticket = await queries.state_of_ticket(unit.session, UUID(ticket_id)) if ticket_id else None
    return rules.is_still_wanted(kind, notification.data, is_read=notification.read_at is not None, ticket=ticket)

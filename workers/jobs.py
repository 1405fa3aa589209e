"""What the tasks do: units of work around the domain's actions, and the provider between two of them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from core import idempotency, streams
from core.clock import now
from core.database import is_away
from core.logging import get_logger
from core.runtime import Runtime
from core.unit_of_work import UnitOfWork
from domain.identity import pruning
from domain.notifications import deliveries, queries, telling
from domain.notifications.deliveries import Claim
from domain.notifications.rules import DeliveryStatus, Outcome
from domain.notifications.telling import TELL_AT_MOST
from workers.providers.base import Misconfigured, NoAnswer, ProviderFault, Refused, Sent, SmsProvider, TryLater

log = get_logger(__name__)

_SWEEP_AT_MOST: Final = 500
_PRUNE_BATCH: Final = 5_000
# Nothing gets better before a person has changed the configuration.
_MISCONFIGURED_PAUSE: Final = timedelta(minutes=2)


async def send_sms(runtime: Runtime, provider: SmsProvider, delivery_id: UUID) -> DeliveryStatus | None:
    """Claim, commit, call the provider outside of any transaction, and write down what came of it.

    Returns the delivery's status, or None where there was nothing to do.
    """
    lease = timedelta(seconds=runtime.settings.sms_lease_seconds)
    async with runtime.transactions.begin() as unit:
        claim = await deliveries.claim_delivery(unit, delivery_id, lease)
    if claim is None:
        return None
    outcome = await _attempt(runtime, provider, claim)
    async with runtime.transactions.begin() as unit:
        return await deliveries.conclude_delivery(unit, claim, outcome)


async def sweep_deliveries(runtime: Runtime) -> int:
    """Ask for every delivery that is overdue, at most 500 at a time. Returns how many."""
    async with runtime.transactions.begin() as unit:
        return len(await deliveries.hand_out_overdue(unit, _SWEEP_AT_MOST))


async def tell_threads(runtime: Runtime, thread_ids: Sequence[UUID]) -> None:
    """Tell people of the messages in those threads that nobody was told of yet."""
    async with runtime.transactions.begin() as unit:
        await telling.tell_threads(unit, thread_ids)


async def sweep_threads(runtime: Runtime) -> int:
    """Tell what was left behind, at most 500 threads at a time. Returns of how many threads people were told."""
    async with runtime.transactions.begin() as unit:
        left = await telling.left_behind(unit, _SWEEP_AT_MOST)
    batches = [left[start : start + TELL_AT_MOST] for start in range(0, len(left), TELL_AT_MOST)]
    return sum([await _tell_or_note(runtime, batch) for batch in batches])


async def _tell_or_note(runtime: Runtime, thread_ids: Sequence[UUID]) -> int:
    """All in one transaction; where that fails each in its own, so that one that cannot be told holds up no other."""
    try:
        await tell_threads(runtime, thread_ids)
    except Exception as fault:
        if is_away(fault):
            # The fault of no thread: the next sweep finds them all.
            raise
        if len(thread_ids) > 1:
            return sum([await _tell_or_note(runtime, [one]) for one in thread_ids])
        log.exception("thread_not_told", thread_id=str(thread_ids[0]))
        return 0
    return len(thread_ids)


async def _in_batches(runtime: Runtime, prune: Callable[[UnitOfWork], Awaitable[int]]) -> int:
    """Small transactions, until one of them finds less than it may delete. Returns how many rows went."""
    pruned, batch = 0, _PRUNE_BATCH
    while batch == _PRUNE_BATCH:
        async with runtime.transactions.begin() as unit:
            batch = await prune(unit)
        pruned += batch
    return pruned


async def prune_events(runtime: Runtime) -> int:
    """Delete events older than the retention, in small transactions. Returns how many."""
    before = now() - timedelta(days=runtime.settings.event_retention_days)
    pruned = await _in_batches(runtime, lambda unit: streams.prune(unit.session, before, _PRUNE_BATCH))
    log.info("events_pruned", count=pruned)
    return pruned


async def prune_keys(runtime: Runtime) -> int:
    """Forget the keys of requests, and what was answered to them, after a day. Returns how many."""
    before = now() - idempotency.RETENTION
    pruned = await _in_batches(runtime, lambda unit: idempotency.prune(unit.session, before, _PRUNE_BATCH))
    log.info("idempotency_keys_pruned", count=pruned)
    return pruned


async def prune_sessions(runtime: Runtime) -> int:
    """Forget sign-ins that ended longer ago than the retention, and tokens traded before. Returns how many rows."""
    before = now() - timedelta(days=runtime.settings.session_retention_days)
    # Tokens first: they refer to their sign-in.
    pruned = await _in_batches(runtime, lambda unit: pruning.prune_refresh_tokens(unit, before, _PRUNE_BATCH))
    pruned += await _in_batches(runtime, lambda unit: pruning.prune_sessions(unit, before, _PRUNE_BATCH))
    log.info("sessions_pruned", count=pruned)
    return pruned


async def _attempt(runtime: Runtime, provider: SmsProvider, claim: Claim) -> Outcome:
    """Ask the provider; every fault that it can have is an outcome."""
    try:
        sent = await _look_up(runtime, provider, claim) if claim.may_be_out else None
        if sent is None and not claim.is_wanted:
            return Outcome(DeliveryStatus.CANCELLED, provider.name)
        if sent is None:
            sent = await provider.send(claim.address, claim.body, claim.delivery_id)
    except ProviderFault as fault:
        return _outcome_of(fault, provider.name, claim)
    return Outcome(sent.status, provider.name, sent.provider_id, sent.error_code)


async def _look_up(runtime: Runtime, provider: SmsProvider, claim: Claim) -> Sent | None:
    """The message of an earlier attempt, where the provider has it. Those of other deliveries are not meant.

    Raises ``NoAnswer`` when the provider cannot tell.
    """
    try:
        found = await provider.find(claim.address, claim.body, claim.created_at)
    except (TryLater, Refused) as fault:
        # It is as uncertain as before whether the message is out.
        raise NoAnswer(fault.error_code) from fault
    async with runtime.database.session() as session:
        known = await queries.known_provider_ids(session, [message.provider_id for message in found])
    return next((message for message in found if message.provider_id not in known), None)


def _outcome_of(fault: ProviderFault, provider: str, claim: Claim) -> Outcome:
    match fault:
        case Refused():
            return Outcome(DeliveryStatus.UNDELIVERABLE, provider, error_code=fault.error_code)
        case Misconfigured():
            log.error("sms_provider_misconfigured", provider=provider, error_code=fault.error_code, reason=str(fault))
            status = DeliveryStatus.UNKNOWN if claim.may_be_out else DeliveryStatus.FAILED
            return Outcome(status, provider, error_code=fault.error_code, retry_after=_MISCONFIGURED_PAUSE)
        case NoAnswer():
            return Outcome(DeliveryStatus.UNKNOWN, provider, error_code=fault.error_code)
        case _:
            return Outcome(DeliveryStatus.FAILED, provider, error_code=fault.error_code)

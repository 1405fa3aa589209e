"""Group commit: sends that are in flight together are written in one transaction."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.actor import SYSTEM
from core.database import is_transient
from core.errors import IdempotencyKeyReused, Refusal, Unavailable
from core.logging import get_logger
from core.unit_of_work import Transactions
from domain.chat.sending import Draft, SentMessage, send_messages

log = get_logger(__name__)

_AT_MOST: Final = 64
_AT_ONCE: Final = 2


class _Waiting(NamedTuple):
    draft: Draft
    sent: asyncio.Future[SentMessage]


class SendJoiner:
    """While transactions are under way, sends wait and then go together; one alone goes at once. One a node.

    Two transactions at once, at most, and never two for the same thread: in a thread, the order of sends is that of
    commits.
    """

    def __init__(self, transactions: Transactions) -> None:
        """Nothing runs before the first send."""
        self._transactions = transactions
        self._waiting: list[_Waiting] = []
        self._running: dict[asyncio.Task[None], frozenset[UUID]] = {}
        self._is_due = False

    def send(self, draft: Draft) -> asyncio.Future[SentMessage]:
        """Have the message written. The future raises what ``send_message`` raises, and ``Unavailable``.

        To stop waiting for it does not take it back.
        """
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[SentMessage] = loop.create_future()
        self._waiting.append(_Waiting(draft, sent))
        if not self._is_due:
            # What comes in the same turn of the loop goes along.
            self._is_due = True
            loop.call_soon(self._begin)
        return sent

    async def close(self) -> None:
        """Wait until all that was sent is answered."""
        while self._running or self._is_due:
            await asyncio.sleep(0)
            await asyncio.gather(*self._running)

    def _begin(self) -> None:
        self._is_due = False
        while len(self._running) < _AT_ONCE and (batch := self._take()):
            task = asyncio.create_task(self._commit(batch), name="hub-sends")
            self._running[task] = frozenset(one.draft.thread_id for one in batch)
            task.add_done_callback(self._ended)

    def _take(self) -> list[_Waiting]:
        """The oldest that wait, but for those whose threads a transaction under way has."""
        busy = frozenset[UUID]().union(*self._running.values())
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        for one in self._waiting:
            (batch if len(batch) < _AT_MOST and one.draft.thread_id not in busy else left).append(one)
        self._waiting = left
        return batch

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._begin()

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        outcomes = await self._outcomes([one.draft for one in batch])
        for one, outcome in zip(batch, outcomes, strict=True):
            if one.sent.done():
                continue
            if isinstance(outcome, SentMessage):
                one.sent.set_result(outcome)
            else:
                one.sent.set_exception(outcome)

    async def _outcomes(self, drafts: Sequence[Draft]) -> Sequence[SentMessage | Exception]:
        """All together; after a clash with another transaction, once more, each on its own."""
        try:
            return await self._write(drafts)
        except Exception as fault:  # noqa: BLE001 - whatever it is, those who wait have to hear of it
            is_clash = is_transient(fault) or (isinstance(fault, IdempotencyKeyReused) and len(drafts) > 1)
            if not is_clash:
                return [_told(fault) for _ in drafts]
            log.info("sends_written_singly", count=len(drafts), fault=type(fault).__name__)
        return [await self._write_alone(draft) for draft in drafts]

    async def _write_alone(self, draft: Draft) -> SentMessage | Exception:
        try:
            [outcome] = await self._write([draft])
        except Exception as fault:  # noqa: BLE001 - as above
            return _told(fault)
        return outcome

    async def _write(self, drafts: Sequence[Draft]) -> list[SentMessage | Refusal]:
        async with self._transactions.begin(SYSTEM) as unit:
            return await send_messages(unit, drafts)


def _told(fault: Exception) -> Exception:
    """What a sender hears of it."""
    if isinstance(fault, SQLAlchemyError | OSError):
        log.warning("sends_unavailable", fault=type(fault).__name__)
        return Unavailable(retry_after=2)
    return fault

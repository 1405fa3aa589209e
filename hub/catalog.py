"""The kinds of channels: who may follow one, and what its whole state is. The rest of the hub knows no business."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.access import PUBLIC, Policy
from core.actor import Actor
from core.errors import Authorization, Refusal
from domain.chat import queries as chat
from domain.chat.errors import ThreadNotFound
from domain.chat.policy import PARTICIPANTS
from domain.notifications import queries as notifications
from domain.notifications.policy import OWNER
from domain.queueing import queries as queueing


class UnknownChannel(Refusal):
    """The name is none of a channel."""

    status = 404
    error_code = "UNKNOWN_CHANNEL"
    detail = "There is no such channel."


@dataclass(frozen=True, slots=True)
class Kind:
    """``authorise`` raises a ``Refusal`` for those who may not follow; ``snapshot`` is the state at one moment.

    ``is_conflated``: a slow reader gets the newest event of each thing in place of all of them.
    """

    policy: Policy
    authorise: Callable[[AsyncSession, Actor, UUID], Awaitable[None]]
    snapshot: Callable[[AsyncSession, UUID], Awaitable[Any]]
    is_conflated: bool = False


async def _anyone_may_watch(session: AsyncSession, _: Actor, queue_id: UUID) -> None:
    await queueing.get_queue(session, queue_id)


async def _participants_only(session: AsyncSession, actor: Actor, thread_id: UUID) -> None:
    if not await chat.may_read(session, actor, thread_id):
        raise ThreadNotFound


async def _the_user_only(_: AsyncSession, actor: Actor, user_id: UUID) -> None:
    if actor.user_id != user_id:
        raise Authorization("This channel belongs to somebody else.")


KINDS: Final = {
    "board": Kind(PUBLIC, _anyone_may_watch, queueing.board_snapshot, is_conflated=True),
    "thread": Kind(PARTICIPANTS, _participants_only, chat.thread_snapshot),
    "user": Kind(OWNER, _the_user_only, notifications.user_snapshot),
}


def is_conflated(name: str) -> bool:
    """Of a channel whose name was parsed before."""
    return KINDS[name.partition(":")[0]].is_conflated


def parse_channel(name: str) -> tuple[Kind, UUID]:
    """``thread:018f…`` taken apart. Raises ``UnknownChannel``."""
    kind_name, _, identifier = name.partition(":")
    kind = KINDS.get(kind_name)
    try:
        subject = UUID(identifier)
    except ValueError:
        raise UnknownChannel from None
    # One spelling only: two names of one channel would be two streams.
    if kind is None or str(subject) != identifier:
        raise UnknownChannel
    return kind, subject

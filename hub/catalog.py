"""The kinds of channels: who may follow one, its state, and who is there. The rest of the hub knows no business."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from core.access import PUBLIC, Policy
from core.actor import Actor
from core.errors import Authorization, Refusal
from core.presence import Counts
from domain.chat import queries as chat
from domain.chat.errors import ThreadNotFound
from domain.chat.policy import PARTICIPANTS
from domain.notifications import queries as notifications
from domain.notifications.policy import OWNER
from domain.queueing import queries as queueing
from domain.queueing.policy import may_oversee
from hub.channels import UNSEEN, Seat
from hub.roster import SCREEN
from hub.states import ParticipantsPresent, ScreensPresent


class UnknownChannel(Refusal):
    """The name is none of a channel."""

    status = 404
    error_code = "UNKNOWN_CHANNEL"
    detail = "There is no such channel."


class Seating(Protocol):
    """How somebody counts who follows a channel, and whether they are to be told who is there."""

    def __call__(self, actor: Actor, *, is_counted: bool) -> Seat:
        """``is_counted`` is False for who wants to follow without being counted."""


def _unseen(actor: Actor, *, is_counted: bool) -> Seat:
    del actor, is_counted
    return UNSEEN


@dataclass(frozen=True, slots=True)
class Kind:
    """``authorise`` raises a ``Refusal`` for those who may not follow; ``snapshot`` is the state at one moment.

    ``is_conflated``: a slow reader gets the newest event of each thing in place of all of them.
    ``seat`` says how a follower counts, and ``present`` turns the counts into the data of the signal ``presence``.
    ``viewers`` are those who may see it at this moment, where it is not whoever follows the channel.
    """

    policy: Policy
    authorise: Callable[[AsyncSession, Actor, UUID], Awaitable[None]]
    snapshot: Callable[[AsyncSession, UUID], Awaitable[Any]]
    seat: Seating = _unseen
    is_conflated: bool = False
    present: Callable[[Counts], Struct] | None = None
    viewers: Callable[[AsyncSession, UUID, Collection[UUID]], Awaitable[Collection[UUID]]] | None = None


async def _anyone_may_watch(session: AsyncSession, _: Actor, queue_id: UUID) -> None:
    await queueing.get_queue(session, queue_id)


async def _participants_only(session: AsyncSession, actor: Actor, thread_id: UUID) -> None:
    if not await chat.may_read(session, actor, thread_id):
        raise ThreadNotFound


async def _the_user_only(_: AsyncSession, actor: Actor, user_id: UUID) -> None:
    if actor.user_id != user_id:
        raise Authorization("This channel belongs to somebody else.")


def _as_screen(actor: Actor, *, is_counted: bool) -> Seat:
    return Seat(SCREEN if is_counted else None, actor.user_id if may_oversee(actor) else None)


def _as_person(actor: Actor, *, is_counted: bool) -> Seat:
    return Seat(str(actor.user_id) if is_counted and actor.user_id else None, actor.user_id)


def _screens(counts: Counts) -> ScreensPresent:
    return ScreensPresent(screens=counts.get(SCREEN, 0))


def _people(counts: Counts) -> ParticipantsPresent:
    return ParticipantsPresent(user_ids=[UUID(key) for key in sorted(counts)])


KINDS: Final = {
    "board": Kind(
        PUBLIC,
        _anyone_may_watch,
        queueing.board_snapshot,
        _as_screen,
        is_conflated=True,
        present=_screens,
        viewers=queueing.overseers,
    ),
    "thread": Kind(PARTICIPANTS, _participants_only, chat.thread_snapshot, _as_person, present=_people),
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

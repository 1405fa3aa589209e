"""Past-tense facts and who reacts to them.

An event is a typed record of what happened. What goes over the wire of a channel is exactly its fields. A room
that wants to know of another room's news registers a reaction; reactions run inside the transaction that emitted
the event.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    from core.unit_of_work import UnitOfWork


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all events. ``name`` is the word on the wire, as ``ticket.upserted``."""

    name: ClassVar[str] = ""


E = TypeVar("E", bound=Event)
Reaction: TypeAlias = Callable[["UnitOfWork", Any], Awaitable[None]]

_reactions: dict[type[Event], list[Reaction]] = defaultdict(list)


def reacts_to(
    event_type: type[E],
) -> Callable[[Callable[["UnitOfWork", E], Awaitable[None]]], Callable[["UnitOfWork", E], Awaitable[None]]]:
    """Register the decorated coroutine function for events of that type."""

    def register(
        reaction: Callable[["UnitOfWork", E], Awaitable[None]],
    ) -> Callable[["UnitOfWork", E], Awaitable[None]]:
        if reaction not in _reactions[event_type]:
            _reactions[event_type].append(reaction)
        return reaction

    return register


def reactions_to(event: Event) -> list[Reaction]:
    """The reactions registered for that event's type, in the order of registration."""
    return _reactions.get(type(event), [])


def forget_reaction(event_type: type[Event], reaction: Reaction) -> None:
    """Undo a registration; for what registers for a while."""
    _reactions[event_type].remove(reaction)

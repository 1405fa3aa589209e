"""Whether those who follow channels here may still do so: asked once a second, in two queries for all of them.

Nothing that was found out at the sign-in is kept for longer: neither that the session lives, nor where somebody works.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from core.access import PUBLIC
from core.actor import Actor
from core.database import Database
from core.errors import Refusal
from core.logging import get_logger
from domain.clinics.policy import sees_own_clinics_only
from domain.identity import queries as identity
from hub.catalog import parse_channel
from hub.channels import Channel

log = get_logger(__name__)

CHECKED_EVERY_SECONDS: Final = 1.0
"""Whoever is signed out, deactivated or no longer a member is so everywhere within two seconds."""


class Follower(Protocol):
    """A socket, or a response that goes on."""

    actor: Actor | None
    channels: dict[str, Channel]

    def check_expiry(self, at: float) -> None:
        """Look at the clock of the loop."""

    def revoked(self) -> None:
        """The sign-in has ended."""

    def restart(self, channel: Channel) -> None:
        """Leave that channel, and let the client ask for it anew."""


class SignIns:
    """One a node."""

    def __init__(self, database: Database, followers: Callable[[], Iterable[Follower]]) -> None:
        """``followers`` are all that there are at the moment."""
        self._database = database
        self._followers = followers

    async def watch(self) -> None:
        """Go on for ever."""
        while True:
            await asyncio.sleep(CHECKED_EVERY_SECONDS)
            at = asyncio.get_running_loop().time()
            for follower in list(self._followers()):
                follower.check_expiry(at)
            try:
                await self.check()
            except (SQLAlchemyError, OSError) as fault:
                log.warning("revocations_unreadable", fault=type(fault).__name__)

    async def check(self) -> None:
        """End those whose session has ended; let the others know where they work now. Raises what Postgres raises."""
        await self._database.ask(self._check)

    async def _check(self, database: AsyncSession) -> None:
        signed_in: dict[UUID, list[Follower]] = {}
        at_work: dict[UUID, list[Follower]] = {}
        for follower in self._followers():
            actor = follower.actor
            if actor is not None and actor.session_id is not None:
                signed_in.setdefault(actor.session_id, []).append(follower)
            if actor is not None and actor.user_id is not None and sees_own_clinics_only(actor):
                at_work.setdefault(actor.user_id, []).append(follower)
        ended = await identity.revoked_sessions(database, signed_in.keys())
        clinics = await identity.memberships(database, at_work.keys())
        for user_id, followers in at_work.items():
            for follower in followers:
                await _work_in(follower, clinics.get(user_id, frozenset()), database)
        for session_id in ended:
            for follower in signed_in[session_id]:
                # Unless it was given a fresh sign-in while Postgres was asked.
                if follower.actor is not None and follower.actor.session_id == session_id:
                    follower.revoked()


async def _work_in(follower: Follower, clinic_ids: frozenset[UUID], database: AsyncSession) -> None:
    """From now on in those clinics; what only others opened is left, and refused when the client asks again."""
    actor = follower.actor
    if actor is None or actor.clinic_ids == clinic_ids:
        return
    follower.actor = replace(actor, clinic_ids=clinic_ids)
    for name, channel in list(follower.channels.items()):
        kind, subject = parse_channel(name)
        if kind.policy is PUBLIC:
            continue
        try:
            await kind.authorise(database, follower.actor, subject)
        except Refusal:
            follower.restart(channel)

"""Signing a socket in: by an access token or a single-use ticket, and how long that lasts."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from core.actor import Actor
from core.clock import now
from core.runtime import Runtime
from domain.identity import actions as identity
from domain.identity.credentials import identify
from domain.identity.rules import is_key


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who, and until when by the clock of the loop: a step of the wall clock must not end what lives.

    A session that is revoked ends earlier.
    """

    actor: Actor
    ends_at: float


async def by_token(runtime: Runtime, token: str) -> SignIn:
    """With an access token (a JWT), an API key or a screen's key. Raises ``Authentication``."""
    found = await identify(runtime.database, token, runtime.settings.secret_key.get_secret_value())
    return _until(found.actor, found.expires_at - now())


async def by_ticket(runtime: Runtime, ticket: str) -> SignIn:
    """With a ticket of ``POST /auth/ws-ticket``; as good as an access token made now. Raises ``Authentication``."""
    async with runtime.transactions.begin() as unit:
        actor = await identity.redeem_socket_ticket(unit, ticket)
    return _until(actor, timedelta(minutes=runtime.settings.access_token_minutes))


async def by_either(runtime: Runtime, credential: str) -> SignIn:
    """Whatever it is: only a JWT has two dots (RFC 7515), keys have a prefix. Raises ``Authentication``."""
    is_ticket = credential.count(".") != 2 and not is_key(credential)
    return await (by_ticket if is_ticket else by_token)(runtime, credential)


def _until(actor: Actor, left: timedelta) -> SignIn:
    return SignIn(actor, asyncio.get_running_loop().time() + left.total_seconds())

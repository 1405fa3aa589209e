"""Reads and row locks of screens and pairings."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.screens.errors import PairingNotFound, ScreenNotFound
from models import Pairing, Screen, Session


async def lock_pairing(session: AsyncSession, code: str, at: datetime) -> Pairing:
    """An unconfirmed pairing, its row locked: of two who confirm one code, one finds it. Raises ``PairingNotFound``."""
    pairing: Pairing | None = await session.scalar(
        select(Pairing)
        .where(Pairing.code == code, Pairing.expires_at > at)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if pairing is None or pairing.screen_id is not None:
        raise PairingNotFound
    return pairing


async def find_pairing(session: AsyncSession, code: str, secret_digest: bytes, at: datetime) -> Pairing:
    """The pairing of the screen that knows its secret, confirmed or not. Raises ``PairingNotFound``."""
    pairing: Pairing | None = await session.scalar(
        select(Pairing).where(Pairing.code == code, Pairing.secret_digest == secret_digest, Pairing.expires_at > at)
    )
    if pairing is None:
        raise PairingNotFound
    return pairing


async def get_screen(session: AsyncSession, screen_id: UUID) -> Screen:
    """A screen that was not taken down. Raises ``ScreenNotFound``."""
    screen: Screen | None = await session.scalar(
        select(Screen)
        .join(Session, Session.id == Screen.session_id)
        .where(Screen.id == screen_id, Session.revoked_at.is_(None))
    )
    if screen is None:
        raise ScreenNotFound
    return screen


async def list_screens(session: AsyncSession, clinic_id: UUID) -> list[tuple[Screen, datetime]]:
    """The screens of a clinic by name, each with its last use."""
    rows = await session.execute(
        select(Screen, Session.last_used_at)
        .join(Session, Session.id == Screen.session_id)
        .where(Screen.clinic_id == clinic_id, Session.revoked_at.is_(None))
        .order_by(Screen.name, Screen.id)
    )
    return [(screen, last_used_at) for screen, last_used_at in rows]

"""Pairing a screen with a board, and taking it down."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select

from core.ids import new_id, new_token
from core.unit_of_work import UnitOfWork
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.identity.actions import revoke_session
from domain.identity.actions_keys import open_device_session
from domain.identity.rules import SCREEN_KEY, digest_of
from domain.identity.scopes import board_scope
from domain.queueing.queries import get_queue
from domain.screens import queries
from domain.screens.policy import check_may_manage_screens
from domain.screens.rules import PAIRING_LIFETIME, new_code, normal_code
from models import Pairing, Screen

_SWEPT_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class NewPairing:
    """What a screen is told: the code to show, and the secret that becomes its key once the code is confirmed."""

    code: str
    secret: str
    expires_at: datetime


async def begin_pairing(unit: UnitOfWork) -> NewPairing:
    """A screen asks to be paired. Nobody need be signed in: without a confirmation it gets nothing."""
    expired = (
        select(Pairing.code)
        .where(Pairing.expires_at <= unit.at)
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    # Whoever asks clears away some that nobody confirmed: the table stays small without a sweep.
    await unit.session.execute(delete(Pairing).where(Pairing.code.in_(expired)))
    pairing = NewPairing(new_code(), SCREEN_KEY + new_token(), unit.at + PAIRING_LIFETIME)
    unit.session.add(
        Pairing(
            code=pairing.code,
            secret_digest=digest_of(pairing.secret),
            created_at=unit.at,
            expires_at=pairing.expires_at,
        )
    )
    await unit.session.flush()
    return pairing


async def confirm_pairing(unit: UnitOfWork, code: str, queue_id: UUID, name: str) -> Screen:
    """Make the screen that shows the code a screen of that queue's board; a code is confirmed once.

    Its secret becomes its key, which opens that board and nothing else. Raises ``QueueNotFound``, ``Authorization``,
    ``PairingNotFound``.
    """
    _, clinic = await get_queue(unit.session, queue_id)
    check_may_manage_screens(unit.actor, clinic.id)
    pairing = await queries.lock_pairing(unit.session, normal_code(code), unit.at)
    session = await open_device_session(unit, name, pairing.secret_digest, [board_scope(str(queue_id))])
    screen = Screen(
        id=new_id(),
        clinic_id=clinic.id,
        queue_id=queue_id,
        name=name,
        session_id=session.id,
        paired_by=unit.actor.user_id,
        created_at=unit.at,
    )
    unit.session.add(screen)
    await unit.session.flush()
    # The screen has to hear of it.
    pairing.screen_id, pairing.expires_at = screen.id, unit.at + PAIRING_LIFETIME
    write_entry(unit, AuditAction.SCREEN_PAIRED, f"screen:{screen.id}", {"queue_id": str(queue_id)})
    return screen


async def revoke_screen(unit: UnitOfWork, screen_id: UUID) -> None:
    """Take a screen down: its key is dead and its sockets close. Raises ``ScreenNotFound``, ``Authorization``."""
    screen = await queries.get_screen(unit.session, screen_id)
    check_may_manage_screens(unit.actor, screen.clinic_id)
    await revoke_session(unit, screen.session_id, "screen_revoked")

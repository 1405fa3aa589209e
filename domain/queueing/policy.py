"""Who may do what in a queue."""

from typing import Final
from uuid import UUID

from core.access import Party, declare
from core.actor import Actor, Role
from core.errors import Authorization
from domain.clinics.policy import check_works_in, works_in

WORKERS: Final = declare(
    "queueing.workers",
    "Staff and doctors who work in the clinic, and administrators.",
    Party.STAFF,
    Party.DOCTOR,
    Party.ADMIN,
)
TICKET_TAKERS: Final = declare(
    "queueing.ticket_takers",
    "Those who work in the clinic for anybody, patients for themselves.",
    Party.STAFF,
    Party.DOCTOR,
    Party.ADMIN,
    Party.PATIENT,
    Party.OTHER_PATIENT,
)


def check_may_run(actor: Actor, clinic_id: UUID) -> None:
    """Calling, serving and seeing patients: those who work in the clinic. Raises ``Authorization``."""
    check_works_in(actor, clinic_id)


def check_may_take_ticket(actor: Actor, clinic_id: UUID) -> None:
    """Those who work in the clinic for anybody; patients for themselves. Raises ``Authorization``."""
    if actor.role != Role.PATIENT and not works_in(actor, clinic_id):
        raise Authorization("Only the clinic's staff and patients can take a ticket.")


def may_oversee(actor: Actor) -> bool:
    """True for those who could work in a clinic; in which of them they do, Postgres says (``queries.overseers``)."""
    return actor.role in {Role.STAFF, Role.DOCTOR, Role.ADMIN}


def takes_own_ticket(actor: Actor) -> bool:
    """True for somebody whose ticket is always their own."""
    return actor.role == Role.PATIENT

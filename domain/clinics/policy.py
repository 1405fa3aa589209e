"""Who may do what in a clinic."""

from typing import Final
from uuid import UUID

from core.access import Party, declare
from core.actor import Actor, Role
from core.errors import Authorization

DIRECTORY: Final = declare(
    "clinics.directory",
    "Doctors and staff see the clinics they work in; everybody else all of them, as a directory.",
    *(party for party in Party if party not in {Party.NOBODY, Party.DEVICE, Party.OTHER_STAFF}),
)

_AT_WORK: Final = frozenset({Role.DOCTOR, Role.STAFF})


def sees_own_clinics_only(actor: Actor) -> bool:
    """Doctors and staff have no business in another clinic. Patients choose among all, and advisors help them."""
    return actor.role in _AT_WORK


def check_may_look_up(actor: Actor, clinic_id: UUID) -> None:
    """Raises ``Authorization`` for those who work in another clinic."""
    if sees_own_clinics_only(actor):
        check_works_in(actor, clinic_id)


def check_may_manage_clinics(actor: Actor) -> None:
    """Making clinics, and saying who works in them: administrators and the product itself. Raises ``Authorization``."""
    if not actor.is_system and actor.role != Role.ADMIN:
        raise Authorization("Only administrators manage clinics.")


def works_in(actor: Actor, clinic_id: UUID) -> bool:
    """Administrators and the product itself everywhere; doctors and staff where they are members."""
    return actor.is_system or actor.role == Role.ADMIN or clinic_id in actor.clinic_ids


def check_works_in(actor: Actor, clinic_id: UUID) -> None:
    """Raises ``Authorization`` for everybody else."""
    if not works_in(actor, clinic_id):
        raise Authorization("You do not work in this clinic.")

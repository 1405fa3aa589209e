"""Who may do what in a clinic."""

from uuid import UUID

from core.actor import Actor, Role
from core.errors import Authorization


def works_in(actor: Actor, clinic_id: UUID) -> bool:
    """Administrators and the product itself everywhere; doctors and staff where they are members."""
    return actor.is_system or actor.role == Role.ADMIN or clinic_id in actor.clinic_ids


def check_works_in(actor: Actor, clinic_id: UUID) -> None:
    """Raises ``Authorization`` for everybody else."""
    if not works_in(actor, clinic_id):
        raise Authorization("You do not work in this clinic.")

"""Who may pair screens with the boards of a clinic, see them and take them down."""

from uuid import UUID

from core.actor import Actor
from domain.clinics.policy import check_works_in


def check_may_manage_screens(actor: Actor, clinic_id: UUID) -> None:
    """Those who work in the clinic. Raises ``Authorization``."""
    check_works_in(actor, clinic_id)

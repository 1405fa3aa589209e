"""Who may see and change notifications: the person they are for, and nobody else."""

from typing import Final
from uuid import UUID

from core.access import Party, declare
from core.actor import Actor
from core.errors import Authentication

OWNER: Final = declare("notifications.owner", "The person whom it was told.", Party.PATIENT, is_own=True)


def user_of(actor: Actor) -> UUID:
    """The person whose notifications are meant. Raises ``Authentication`` when nobody is signed in."""
    if actor.user_id is None:
        raise Authentication
    return actor.user_id

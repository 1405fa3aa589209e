"""Who may read the audit."""

from typing import Final

from core.access import Party, declare
from core.actor import Actor, Role
from core.errors import Authorization

READERS: Final = declare("audit.readers", "Administrators.", Party.ADMIN)


def check_may_read(actor: Actor) -> None:
    """Administrators. Raises ``Authorization`` for everybody else."""
    if actor.role != Role.ADMIN:
        raise Authorization("Only an administrator can read the audit.")

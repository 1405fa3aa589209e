"""Who may look behind the scenes."""

from core.actor import Actor, Role
from core.errors import Authorization


def check_may_operate(actor: Actor) -> None:
    """Administrators, of nodes, metrics and connections. Raises ``Authorization`` for everybody else."""
    if actor.role != Role.ADMIN:
        raise Authorization("Only administrators can do this.")

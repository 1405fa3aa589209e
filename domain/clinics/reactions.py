"""What happens in clinics when something happened elsewhere."""

from core.events import reacts_to
from core.unit_of_work import UnitOfWork
from domain.clinics.actions import let_in
from domain.identity.events import InvitationAccepted


@reacts_to(InvitationAccepted)
async def join_the_clinic(unit: UnitOfWork, accepted: InvitationAccepted) -> None:
    """Whoever was invited to a clinic works there; the invitation was an administrator's."""
    if accepted.clinic_id is not None:
        await let_in(unit, accepted.clinic_id, accepted.user_id)

"""Who works in a clinic, as administrators say."""

from uuid import UUID

from fastapi import APIRouter

from api.deps import SignedIn, Unit
from api.schema_docs import problems
from core.access import ADMINISTRATORS
from domain.clinics import actions

router = APIRouter(prefix="/{clinic_id}/members")


@router.put("/{user_id}", status_code=204, responses=problems(401, 403, 404), openapi_extra=ADMINISTRATORS.label)
async def add_member(unit: Unit, _: SignedIn, clinic_id: UUID, user_id: UUID) -> None:
    """Let a doctor or staff member work in that clinic; doing it twice changes nothing."""
    await actions.add_member(unit, clinic_id, user_id)


@router.delete("/{user_id}", status_code=204, responses=problems(401, 403, 404), openapi_extra=ADMINISTRATORS.label)
async def remove_member(unit: Unit, _: SignedIn, clinic_id: UUID, user_id: UUID) -> None:
    """Not any more: from the next request on nothing of the clinic is seen."""
    await actions.remove_member(unit, clinic_id, user_id)

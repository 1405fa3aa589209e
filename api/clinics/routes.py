"""Clinics."""

from uuid import UUID

from fastapi import APIRouter

from api.clinics.members import router as members
from api.clinics.schemas import ClinicOut, ClinicPage
from api.deps import PageLimit, PageNumber, SignedIn, Unit
from api.schema_docs import problems
from core.access import PEOPLE
from domain.clinics import policy, queries

router = APIRouter(prefix="/api/v1/clinics", tags=["clinics"])


@router.get("", responses=problems(401, 403), openapi_extra=PEOPLE.label)
async def list_clinics(unit: Unit, actor: SignedIn, page: PageNumber = 1, limit: PageLimit = 20) -> ClinicPage:
    """Clinics by name; doctors and staff see those they work in."""
    clinics, total = await queries.list_clinics(unit.session, actor, page, limit)
    items = [ClinicOut.model_validate(clinic) for clinic in clinics]
    return ClinicPage(items=items, total=total, page=page, limit=limit)


@router.get("/{clinic_id}", responses=problems(401, 403, 404), openapi_extra=policy.DIRECTORY.label)
async def get_clinic(unit: Unit, actor: SignedIn, clinic_id: UUID) -> ClinicOut:
    """One clinic; to doctors and staff, one that they work in."""
    policy.check_may_look_up(actor, clinic_id)
    return ClinicOut.model_validate(await queries.get_clinic(unit.session, clinic_id))


router.include_router(members)

"""Clinics."""

from uuid import UUID

from fastapi import APIRouter

from api.clinics.members import router as members
from api.clinics.schemas import ClinicOut, ClinicPage
from api.deps import PageLimit, PageNumber, SignedIn, Unit
from api.schema_docs import problems
from core.access import SIGNED_IN
from domain.clinics import queries

router = APIRouter(prefix="/api/v1/clinics", tags=["clinics"])


@router.get("", responses=problems(401), openapi_extra=SIGNED_IN.label)
async def list_clinics(unit: Unit, actor: SignedIn, page: PageNumber = 1, limit: PageLimit = 20) -> ClinicPage:
    """Clinics by name; doctors and staff see those they work in."""
    clinics, total = await queries.list_clinics(unit.session, actor, page, limit)
    items = [ClinicOut.model_validate(clinic) for clinic in clinics]
    return ClinicPage(items=items, total=total, page=page, limit=limit)


@router.get("/{clinic_id}", responses=problems(401, 404), openapi_extra=SIGNED_IN.label)
async def get_clinic(unit: Unit, _: SignedIn, clinic_id: UUID) -> ClinicOut:
    """One clinic."""
    return ClinicOut.model_validate(await queries.get_clinic(unit.session, clinic_id))


router.include_router(members)

"""Shapes of clinics."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict


class ClinicOut(BaseModel):
    """A clinic. ``time_zone`` is an IANA name."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    city: str
    time_zone: str


class ClinicPage(BaseModel):
    """A page of clinics."""

    items: list[ClinicOut]
    total: int
    page: int
    limit: int

"""Clinics and who works in them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified, Timestamped


class Clinic(Identified, Timestamped, Base):
    """A place with waiting rooms. ``time_zone`` is an IANA name; the clinic's day is a day there."""

    __tablename__ = "clinics"

    name: Mapped[str]
    city: Mapped[str] = mapped_column(server_default="", default="")
    time_zone: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default="true", default=True)


class ClinicMember(Base):
    """A doctor or staff member of a clinic. Without a row here nothing of the clinic is seen."""

    __tablename__ = "clinic_members"

    clinic_id: Mapped[UUID] = mapped_column(ForeignKey("clinics.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

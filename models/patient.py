"""A person who is cared for; may have an account, need not."""

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified, Timestamped


class Patient(Identified, Timestamped, Base):
    """``user_id`` when the patient has an account. ``phone`` in E.164."""

    __tablename__ = "patients"

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), unique=True)
    name: Mapped[str]
    phone: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(server_default="true", default=True)

"""A person who can sign in."""

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified, Timestamped


class User(Identified, Timestamped, Base):
    """``email`` is kept as typed; ``email_key`` is its normal form and unique.

    A screen is a user as well (``device``), with an address that nobody can have and no password that fits.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('admin', 'doctor', 'staff', 'advisor', 'patient', 'device')", name="role"),
    )

    email: Mapped[str]
    email_key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    phone: Mapped[str | None]
    specialization: Mapped[str | None]
    department: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(server_default="true", default=True)

"""What a sign-in needs besides the password, and what replaces a password that was forgotten."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class SecondFactor(Base):
    """A user's authenticator app (TOTP, RFC 6238). In force once ``confirmed_at`` is set.

    The shared secret is derived from ``seed`` and the product's secret key, so that the table alone signs nobody in.
    ``last_step`` is the time step of the last code that was accepted: no code is accepted twice.
    """

    __tablename__ = "second_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    seed: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    confirmed_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """A code for a user without their app: deleted when it is used. Only its SHA-256 is kept."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)


class PasswordReset(Base):
    """A single-use token that was mailed to a user; only its SHA-256 is kept."""

    __tablename__ = "password_resets"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)

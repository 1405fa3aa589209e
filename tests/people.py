"""Builders of people who can sign in."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from core.actor import Actor, Role
from core.runtime import Runtime
from domain.identity.actions import SignIn, open_session
from domain.identity.rules import email_key, session_of_access_token
from models import ClinicMember, Patient, User

PASSWORD: Final = "correct horse"
# bcrypt of PASSWORD, so that a person costs no quarter of a second.
PASSWORD_HASH: Final = "$2b$12$Ke7Q5VyrcJl/0BlB7zKr7.reyy7BQxwmxxm1TKhfkPZkIGx7YbYfa"


@dataclass(frozen=True)
class Person:
    """Somebody with a session of their own."""

    id: UUID
    email: str
    session_id: UUID
    access_token: str
    refresh_token: str
    actor: Actor

    @property
    def bearer(self) -> dict[str, str]:
        """Headers that show the access token."""
        return {"Authorization": f"Bearer {self.access_token}"}


def some_email() -> str:
    """An address that nobody has."""
    return f"{uuid4().hex[:12]}@example.com"


async def create_person(
    runtime: Runtime, role: Role = Role.PATIENT, *, clinic_ids: tuple[UUID, ...] = (), phone: str | None = None
) -> Person:
    """A signed-in user with ``PASSWORD``; a patient has a patient's record, others may be members of clinics."""
    email = some_email()
    async with runtime.transactions.begin() as unit:
        user = User(email=email, email_key=email_key(email), name="Ada", role=role, password_hash=PASSWORD_HASH)
        unit.session.add(user)
        await unit.session.flush()
        if role == Role.PATIENT:
            unit.session.add(Patient(user_id=user.id, name=user.name, phone=phone))
        unit.session.add_all(ClinicMember(clinic_id=clinic_id, user_id=user.id) for clinic_id in clinic_ids)
        await unit.session.flush()
        signed_in = await open_session(unit, user.id, runtime.settings)
    return person_of(signed_in, runtime, clinic_ids)


def person_of(signed_in: SignIn, runtime: Runtime, clinic_ids: tuple[UUID, ...] = ()) -> Person:
    """The person behind a sign-in."""
    session_id = session_of_access_token(signed_in.access_token, runtime.settings.secret_key.get_secret_value())
    user = signed_in.user
    actor = Actor(user.id, Role(user.role), user.name, session_id, frozenset(clinic_ids))
    return Person(user.id, user.email, session_id, signed_in.access_token, signed_in.refresh_token, actor)

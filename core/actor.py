"""Who is asking: the one argument that every policy looks at."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a person (or a screen) is. Stored in users.role and in the token's claim."""

    ADMIN = "admin"
    DOCTOR = "doctor"
    STAFF = "staff"
    ADVISOR = "advisor"
    PATIENT = "patient"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user, nobody in particular, or the product itself.

    ``clinic_ids`` are the clinics in which a doctor or staff member works. ``scopes`` narrow what an API key, a screen
    or an unfinished sign-in may do; ``None`` is whatever the role may.
    """

    user_id: UUID | None = None
    role: Role | None = None
    name: str = ""
    session_id: UUID | None = None
    clinic_ids: frozenset[UUID] = frozenset()
    is_system: bool = False
    scopes: frozenset[str] | None = None

    @property
    def label(self) -> str:
        """For event rows and logs: an id, never a name."""
        if self.is_system:
            return "system"
        return str(self.user_id) if self.user_id else "anonymous"


ANONYMOUS = Actor()
SYSTEM = Actor(is_system=True)

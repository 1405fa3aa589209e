"""Policies by name, so that every door can say under which one it stands.

A policy is decided in a room's ``policy.py``; here it gets a name, a sentence, and the parties that it lets through.
``tests/access`` asks every door as every party, and ``docs/access.md`` is the same table for people.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

POLICY_KEY: Final = "x-policy"
AUDIT_KEY: Final = "x-audit"


class Party(StrEnum):
    """Somebody who asks, seen from the thing that they ask for."""

    NOBODY = "nobody"
    PATIENT = "patient"
    OTHER_PATIENT = "another patient"
    STAFF = "staff"
    OTHER_STAFF = "staff elsewhere"
    DOCTOR = "doctor"
    ADVISOR = "advisor"
    ADMIN = "admin"
    DEVICE = "device"


PARTIES: Final = {
    Party.NOBODY: "who is not signed in",
    Party.PATIENT: "the patient whose ticket, thread or notification it is",
    Party.OTHER_PATIENT: "a patient whose it is not",
    Party.STAFF: "staff of the clinic that it belongs to",
    Party.OTHER_STAFF: "staff of another clinic",
    Party.DOCTOR: "a doctor of that clinic, who takes no part in the thread",
    Party.ADVISOR: "the advisor of that patient, who takes part in the thread",
    Party.ADMIN: "an administrator",
    Party.DEVICE: "a screen that is paired with a board of that clinic",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """``parties`` may do it; all others are refused: 401, 403, or 404 where its existence is nobody's business.

    ``is_own`` where they see nothing but what is about themselves, or was written to them.
    """

    name: str
    sentence: str
    parties: frozenset[Party]
    is_own: bool = False

    @property
    def label(self) -> dict[str, str]:
        """What a route says of it in the OpenAPI document (``openapi_extra=``)."""
        return {POLICY_KEY: self.name}

    def audited(self, action: str) -> dict[str, str]:
        """The same for a route that writes each use into the audit, under that word of ``AuditAction``.

        Whatever shows somebody else's data must: ``tests/access/test_audited.py`` finds a route that forgets it.
        """
        return {**self.label, AUDIT_KEY: action}


POLICIES: Final[dict[str, Policy]] = {}
"""Every policy of the product, by name."""


def declare(name: str, sentence: str, *parties: Party, is_own: bool = False) -> Policy:
    """A policy of a room, named ``room.word``. A name stands for one policy only."""
    if name in POLICIES:
        raise ValueError(f"there is a policy of that name: {name}")
    POLICIES[name] = Policy(name, sentence, frozenset(parties), is_own)
    return POLICIES[name]


PUBLIC: Final = declare("public", "Everybody, signed in or not.", *Party)
SIGNED_IN: Final = declare(
    "signed_in",
    "Whoever is signed in, about themselves.",
    *(party for party in Party if party != Party.NOBODY),
    is_own=True,
)
PEOPLE: Final = declare(
    "people",
    "Whoever is signed in and is no device, about themselves.",
    *(party for party in Party if party not in {Party.NOBODY, Party.DEVICE}),
    is_own=True,
)
ADMINISTRATORS: Final = declare("administrators", "Administrators.", Party.ADMIN)

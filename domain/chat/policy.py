"""Who may do what in the chat."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from core.access import Party, declare
from core.actor import Actor, Role
from core.errors import Authentication, Authorization

PARTICIPANTS: Final = declare(
    "chat.participants",
    "Those who take part in the thread, whatever their role.",
    Party.PATIENT,
    Party.ADVISOR,
    is_own=True,
)
SUPPORT_SEEKERS: Final = declare(
    "chat.support_seekers", "Patients, with an advisor.", Party.PATIENT, Party.OTHER_PATIENT
)
CARE_PAIRS: Final = declare(
    "chat.care_pairs", "Patients and doctors, with each other.", Party.PATIENT, Party.OTHER_PATIENT, Party.DOCTOR
)


def user_of(actor: Actor) -> UUID:
    """The person who asks: a thread is between people. Raises ``Authentication`` when nobody is signed in."""
    if actor.user_id is None:
        raise Authentication
    return actor.user_id


def may_read_thread(actor: Actor, participant_ids: Collection[UUID]) -> bool:
    """Those who take part in it, whatever their role, and the product itself."""
    return actor.is_system or actor.user_id in participant_ids


def check_may_ask_support(actor: Actor) -> None:
    """Patients. Raises ``Authorization`` for everybody else."""
    if actor.role != Role.PATIENT:
        raise Authorization("Only patients can start a conversation with an advisor.")


def asks_as_patient(actor: Actor) -> bool:
    """Of the two sides of a care thread: the patient names the doctor, the doctor names the patient."""
    return actor.role == Role.PATIENT


def check_may_open_care_thread(actor: Actor) -> None:
    """Patients and doctors, with each other. Raises ``Authorization`` for everybody else."""
    if actor.role not in {Role.PATIENT, Role.DOCTOR}:
        raise Authorization("Only patients and doctors can open a thread with each other.")

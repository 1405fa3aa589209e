"""A clinic with its people, and the things that they may or may not reach."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select

from core.access import Party
from core.actor import ANONYMOUS, SYSTEM, Role
from core.clock import now
from core.runtime import Runtime
from domain.chat import actions as chat
from domain.chat.events import ChatMessage
from domain.identity.queries import find_actor
from domain.queueing import actions as queueing
from domain.screens import actions as screens
from models import Patient, Ticket
from tests.builders import Clinic, create_clinic
from tests.domain.chat.builders import create_talk
from tests.domain.notifications.builders import tell
from tests.people import Person, create_person

_ROLES: Final = {
    Party.PATIENT: Role.PATIENT,
    Party.OTHER_PATIENT: Role.PATIENT,
    Party.STAFF: Role.STAFF,
    Party.OTHER_STAFF: Role.STAFF,
    Party.DOCTOR: Role.DOCTOR,
    Party.ADVISOR: Role.ADVISOR,
    Party.ADMIN: Role.ADMIN,
}


@dataclass(frozen=True)
class World:
    """``people`` has everybody but nobody; ``thread_id`` is a thread of the patient and the advisor.

    The device is a screen that shows the board of the clinic's queue.
    """

    runtime: Runtime
    clinic: Clinic
    people: dict[Party, Person]
    thread_id: UUID

    async def ticket(self) -> Ticket:
        """A fresh ticket of somebody."""
        async with self.runtime.transactions.begin(SYSTEM) as unit:
            return await queueing.take_ticket(unit, self.clinic.queue_id, channel="walk_in")

    async def message(self, party: Party) -> ChatMessage:
        """A fresh message in the thread that was not written by that party."""
        sender = Party.ADVISOR if party == Party.PATIENT else Party.PATIENT
        async with self.runtime.transactions.begin(self.people[sender].actor) as unit:
            return (await chat.send_message(unit, self.thread_id, str(uuid4()), "Good morning")).message

    async def notification_id(self) -> UUID:
        """Fresh news for the patient."""
        return (await tell(self.runtime, self.people[Party.PATIENT].id)).id

    async def patient_id(self) -> UUID:
        """The patient's record."""
        async with self.runtime.database.session() as session:
            found = await session.scalar(select(Patient.id).where(Patient.user_id == self.people[Party.PATIENT].id))
        assert found is not None
        return found

    async def account(self) -> Person:
        """Somebody to whom things are done."""
        return await create_person(self.runtime)


async def create_world(runtime: Runtime) -> World:
    """Everybody once."""
    here, elsewhere = await create_clinic(runtime), await create_clinic(runtime)
    clinics = {
        Party.STAFF: (here.clinic_id,),
        Party.DOCTOR: (here.clinic_id,),
        Party.OTHER_STAFF: (elsewhere.clinic_id,),
    }
    people = {
        party: await create_person(runtime, role, clinic_ids=clinics.get(party, ())) for party, role in _ROLES.items()
    }
    people[Party.DEVICE] = await _pair_screen(runtime, here, people[Party.STAFF])
    talk = await create_talk(runtime, patient=people[Party.PATIENT].actor, other=people[Party.ADVISOR].actor)
    return World(runtime, here, people, talk.id)


async def _pair_screen(runtime: Runtime, clinic: Clinic, staff: Person) -> Person:
    """As it is done in a waiting room: the screen shows a code, staff type it in."""
    async with runtime.transactions.begin(ANONYMOUS) as unit:
        pairing = await screens.begin_pairing(unit)
    async with runtime.transactions.begin(staff.actor) as unit:
        screen = await screens.confirm_pairing(unit, pairing.code, clinic.queue_id, "Entrance")
    async with runtime.database.session() as session:
        found = await find_actor(session, screen.session_id, now())
    assert found is not None
    assert found.user_id is not None
    return Person(found.user_id, "", screen.session_id, pairing.secret, pairing.secret, found)

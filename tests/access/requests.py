"""A request for each route that would go well, if only the right party sent it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from core.access import Party
from tests.access.world import World
from tests.people import PASSWORD, some_email


@dataclass(frozen=True)
class Call:
    """What differs from the bare route: values of its path, and what is sent."""

    path: Mapping[str, object] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    json: Any = None
    form: dict[str, str] | None = None


Maker = Callable[[World, Party], Awaitable[Call]]

REQUESTS: Final[dict[str, Maker]] = {}


def request_for(route: str) -> Callable[[Maker], Maker]:
    """Register how that route is called."""

    def register(maker: Maker) -> Maker:
        REQUESTS[route] = maker
        return maker

    return register


async def _plain(world: World, _: Party) -> Call:
    """Whatever the path names is what belongs to the world."""
    names = {"thread_id": world.thread_id, "queue_id": world.clinic.queue_id, "clinic_id": world.clinic.clinic_id}
    return Call(path=names)


def request_of(route: str) -> Maker:
    """How that route is called: as registered, or with nothing but its path."""
    return REQUESTS.get(route, _plain)


@request_for("POST /api/v1/auth/register")
async def register(_: World, __: Party) -> Call:
    """Somebody new."""
    return Call(json={"email": some_email(), "password": PASSWORD, "name": "Ada"})


@request_for("POST /api/v1/auth/login")
async def login(world: World, _: Party) -> Call:
    """With a right password."""
    return Call(json={"email": (await world.account()).email, "password": PASSWORD})


@request_for("POST /api/v1/auth/token")
async def token(world: World, _: Party) -> Call:
    """With a right password."""
    return Call(form={"username": (await world.account()).email, "password": PASSWORD})


@request_for("POST /api/v1/auth/refresh")
async def refresh(world: World, party: Party) -> Call:
    """With one's own refresh token."""
    person = world.people.get(party)
    return Call(json={"refresh_token": person.refresh_token} if person else {})


@request_for("POST /api/v1/chat/threads")
async def open_thread(world: World, party: Party) -> Call:
    """Patients name the doctor, everybody else the patient."""
    if party in {Party.PATIENT, Party.OTHER_PATIENT}:
        return Call(json={"doctor_id": str(world.people[Party.DOCTOR].id)})
    return Call(json={"patient_id": str(await world.patient_id())})


@request_for("PATCH /api/v1/chat/threads/{thread_id}/status")
async def change_thread(world: World, _: Party) -> Call:
    """As it is."""
    return Call(path={"thread_id": world.thread_id}, json={"status": "open"})


@request_for("POST /api/v1/chat/threads/{thread_id}/messages")
async def send_message(world: World, _: Party) -> Call:
    """Something new."""
    return Call(path={"thread_id": world.thread_id}, json={"body": "Good morning", "key": str(uuid4())})


@request_for("GET /api/v1/chat/threads/{thread_id}/messages/search")
async def search_messages(world: World, _: Party) -> Call:
    """A word."""
    return Call(path={"thread_id": world.thread_id}, query={"query": "morning"})


@request_for("PATCH /api/v1/chat/messages/{message_id}/read")
async def mark_message_read(world: World, party: Party) -> Call:
    """What the other one wrote."""
    return Call(path={"message_id": (await world.message(party)).id})


@request_for("PATCH /api/v1/notifications/{notification_id}/read")
@request_for("DELETE /api/v1/notifications/{notification_id}")
async def notification(world: World, _: Party) -> Call:
    """News of the patient."""
    return Call(path={"notification_id": await world.notification_id()})


@request_for("PATCH /api/v1/notifications/preferences")
async def change_preferences(_: World, __: Party) -> Call:
    """All as usual."""
    return Call(json={"sms": {"ticket.called": True}})


@request_for("POST /api/v1/queue/tickets")
async def take_ticket(world: World, _: Party) -> Call:
    """A number."""
    return Call(json={"queue_id": str(world.clinic.queue_id)})


@request_for("POST /api/v1/queue/call-next")
async def call_next(world: World, _: Party) -> Call:
    """Somebody waits."""
    await world.ticket()
    return Call(json={"queue_id": str(world.clinic.queue_id), "counter_id": str(world.clinic.counter_ids[0])})


@request_for("PATCH /api/v1/queue/{ticket_id}/status")
async def change_status(world: World, _: Party) -> Call:
    """A ticket that waits."""
    body = {"status": "called", "counter_id": str(world.clinic.counter_ids[0])}
    return Call(path={"ticket_id": (await world.ticket()).id}, json=body)


@request_for("GET /api/v1/queue/current")
async def current_state(world: World, _: Party) -> Call:
    """Of the queue."""
    return Call(query={"queue_id": str(world.clinic.queue_id)})


@request_for("GET /api/v1/queue/tickets/{link}")
async def ticket_by_link(world: World, _: Party) -> Call:
    """Whoever has the link."""
    return Call(path={"link": (await world.ticket()).link})


@request_for("POST /api/v1/hub/disconnect")
async def disconnect(world: World, _: Party) -> Call:
    """Somebody."""
    return Call(json={"user_id": str((await world.account()).id)})

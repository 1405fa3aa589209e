"""``Idempotency-Key``: a request that is sent again has no second effect, and gets the first answer."""

import asyncio
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text, update

from core.actor import Role
from core.clock import now
from core.idempotency import RETENTION
from core.runtime import Runtime
from models import IdempotencyKey, Invitation, Queue, Screen, Thread, Ticket, TicketNumber, User
from tests.builders import Clinic, create_clinic
from tests.people import PASSWORD, Person, create_person
from tests.support.web import eventually
from workers import jobs

# POST routes of signed-in users that ask for no key, and why.
_WITHOUT_KEY: Final = {
    "/api/v1/api-keys": "The answer holds a secret that is kept nowhere.",
    "/api/v1/auth/second-factor": "The answer holds a secret that is kept nowhere.",
    "/api/v1/auth/second-factor/confirm": "The answer holds secrets that are kept nowhere.",
    "/api/v1/auth/second-factor/recovery-codes": "The answer holds secrets that are kept nowhere.",
    "/api/v1/auth/second-factor/disable": "Makes nothing.",
    "/api/v1/auth/ws-ticket": "The answer holds a secret that is kept nowhere.",
    "/api/v1/auth/refresh": "The answer is cookies and tokens.",
    "/api/v1/auth/logout": "Makes nothing.",
    "/api/v1/auth/logout-all": "Makes nothing.",
    "/api/v1/hub/disconnect": "Makes nothing.",
}


_CUT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND CAST(:holder AS integer) = ANY(pg_blocking_pids(pid))"
)


@pytest.fixture
async def clinic(runtime: Runtime) -> Clinic:
    return await create_clinic(runtime)


@pytest.fixture
async def staff(runtime: Runtime, clinic: Clinic) -> Person:
    return await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))


@pytest.fixture
async def admin(runtime: Runtime) -> Person:
    return await create_person(runtime, Role.ADMIN)


class Door:
    """Posts as somebody, under a key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, person: Person, path: str, key: str | None, **json: Any) -> httpx.Response:
        headers = person.bearer | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(f"/api/v1{path}", headers=headers, json=json or None)


@pytest.fixture
def door(client: httpx.AsyncClient) -> Door:
    return Door(client)


async def _count(runtime: Runtime, model: type[Any], *where: Any) -> int:
    async with runtime.database.session() as session:
        return await session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def _new_key() -> str:
    return str(uuid4())


def _refused(response: httpx.Response, status: int, error_code: str) -> None:
    assert (response.status_code, response.json()["error_code"]) == (status, error_code), response.text


async def test_a_ticket_is_taken_once_and_the_answer_is_the_same(
    runtime: Runtime, door: Door, staff: Person, clinic: Clinic
) -> None:
    key, queue_id = _new_key(), str(clinic.queue_id)
    first = await door.post(staff, "/queue/tickets", key, queue_id=queue_id)
    again = await door.post(staff, "/queue/tickets", key, queue_id=queue_id)
    assert (first.status_code, first.content) == (201, again.content)
    assert (again.status_code, again.headers["content-type"]) == (201, "application/json")
    assert await _count(runtime, Ticket, Ticket.queue_id == clinic.queue_id) == 1
    other = await door.post(staff, "/queue/tickets", _new_key(), queue_id=queue_id)
    assert other.json()["code"] == "A-002"
    without = await door.post(staff, "/queue/tickets", None, queue_id=queue_id)
    assert without.json()["code"] == "A-003"


async def test_ten_at_once_take_one_ticket(runtime: Runtime, door: Door, staff: Person, clinic: Clinic) -> None:
    key = _new_key()
    answers = await asyncio.gather(
        *(door.post(staff, "/queue/tickets", key, queue_id=str(clinic.queue_id)) for _ in range(10))
    )
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert await _count(runtime, Ticket, Ticket.queue_id == clinic.queue_id) == 1


async def test_another_request_under_the_key_is_refused_and_another_user_is_nobody_s_repeat(
    runtime: Runtime, door: Door, staff: Person, clinic: Clinic
) -> None:
    key, queue_id = _new_key(), str(clinic.queue_id)
    await door.post(staff, "/queue/tickets", key, queue_id=queue_id)
    another = await door.post(staff, "/queue/tickets", key, queue_id=queue_id, priority=3)
    _refused(another, 422, "IDEMPOTENCY_KEY_REUSED")
    elsewhere = await door.post(
        staff, "/queue/call-next", key, queue_id=queue_id, counter_id=str(clinic.counter_ids[0])
    )
    _refused(elsewhere, 422, "IDEMPOTENCY_KEY_REUSED")
    colleague = await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))
    assert (await door.post(colleague, "/queue/tickets", key, queue_id=queue_id)).json()["code"] == "A-002"
    assert (await door.client.post("/api/v1/queue/tickets", headers={"Idempotency-Key": key})).status_code == 401


async def test_what_was_refused_left_nothing_and_can_be_asked_again(
    runtime: Runtime, door: Door, staff: Person, clinic: Clinic
) -> None:
    key, queue_id = _new_key(), str(clinic.queue_id)

    async def open_queue(*, is_open: bool) -> None:
        async with runtime.transactions.begin() as unit:
            await unit.session.execute(update(Queue).where(Queue.id == clinic.queue_id).values(is_open=is_open))

    await open_queue(is_open=False)
    _refused(await door.post(staff, "/queue/tickets", key, queue_id=queue_id), 409, "QUEUE_CLOSED")
    _refused(await door.post(staff, "/queue/tickets", key, queue_id="none"), 422, "VALIDATION")
    assert await _count(runtime, IdempotencyKey, IdempotencyKey.key == key) == 0
    await open_queue(is_open=True)
    assert (await door.post(staff, "/queue/tickets", key, queue_id=queue_id)).status_code == 201


async def test_a_transaction_that_is_cut_leaves_neither_effect_nor_key(
    runtime: Runtime, door: Door, staff: Person, clinic: Clinic
) -> None:
    """It has claimed its key, and waits for the number that another one holds, when its connection ends."""
    key, queue_id = _new_key(), str(clinic.queue_id)
    await door.post(staff, "/queue/tickets", None, queue_id=queue_id)
    async with runtime.database.session() as holder, runtime.database.reads() as other:
        await holder.execute(select(TicketNumber).where(TicketNumber.queue_id == clinic.queue_id).with_for_update())
        pid = await holder.scalar(text("SELECT pg_backend_pid()"))
        request = asyncio.create_task(door.post(staff, "/queue/tickets", key, queue_id=queue_id))

        async def is_cut() -> bool:
            return request.done() or bool((await other.execute(_CUT, {"holder": pid})).all())

        await eventually(is_cut)
        assert (await request).status_code == 503
    assert await _count(runtime, Ticket, Ticket.queue_id == clinic.queue_id) == 1
    assert await _count(runtime, IdempotencyKey, IdempotencyKey.key == key) == 0
    assert (await door.post(staff, "/queue/tickets", key, queue_id=queue_id)).status_code == 201
    assert await _count(runtime, Ticket, Ticket.queue_id == clinic.queue_id) == 2


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_key_that_cannot_be_is_named(door: Door, staff: Person, clinic: Clinic, key: str) -> None:
    headers = staff.bearer | {"Idempotency-Key": key}
    response = await door.client.post("/api/v1/queue/tickets", headers=headers, json={"queue_id": str(clinic.queue_id)})
    _refused(response, 422, "VALIDATION")


async def test_the_next_one_is_called_once(door: Door, staff: Person, clinic: Clinic) -> None:
    queue_id = str(clinic.queue_id)
    for _ in range(2):
        await door.post(staff, "/queue/tickets", None, queue_id=queue_id)
    call = {"queue_id": queue_id, "counter_id": str(clinic.counter_ids[0])}
    key = _new_key()
    codes = [(await door.post(staff, "/queue/call-next", key, **call)).json()["code"] for _ in range(2)]
    assert codes == ["A-001", "A-001"]


async def test_a_thread_is_opened_once(runtime: Runtime, door: Door) -> None:
    doctor, patient = await create_person(runtime, Role.DOCTOR), await create_person(runtime)
    await create_person(runtime, Role.ADVISOR)
    for path, body in (("/chat/threads", {"doctor_id": str(doctor.id)}), ("/chat/initiate", {})):
        before, key = await _count(runtime, Thread), _new_key()
        first, again = [await door.post(patient, path, key, **body) for _ in range(2)]
        assert (first.status_code, first.content) == (201, again.content), first.text
        assert again.status_code == 201
        assert await _count(runtime, Thread) == before + 1


async def test_administrators_make_and_invite_people_once(runtime: Runtime, door: Door, admin: Person) -> None:
    email = f"{uuid4().hex}@example.com"
    account = {"email": email, "password": PASSWORD, "name": "Ada", "role": "advisor"}
    invitation = {"email": f"new-{email}", "role": "advisor"}
    key = _new_key()
    made, again = [await door.post(admin, "/users", key, **account) for _ in range(2)]
    assert (made.status_code, made.content) == (201, again.content), made.text
    key = _new_key()
    invited, again = [await door.post(admin, "/invitations", key, **invitation) for _ in range(2)]
    assert (invited.status_code, invited.content) == (201, again.content), invited.text
    assert await _count(runtime, Invitation, Invitation.email == f"new-{email}") == 1
    assert await _count(runtime, User, User.email == email) == 1
    async with runtime.database.session() as session:
        kept = await session.scalars(select(IdempotencyKey).where(IdempotencyKey.user_id == admin.id))
        assert not [one for one in kept if PASSWORD.encode() in (one.body or b"") + one.fingerprint]


async def test_a_screen_is_paired_once(runtime: Runtime, door: Door, staff: Person, clinic: Clinic) -> None:
    code = (await door.client.post("/api/v1/screens/pairings")).json()["code"]
    body, key = {"queue_id": str(clinic.queue_id), "name": "Hall"}, _new_key()
    first, again = [await door.post(staff, f"/screens/pairings/{code}/confirm", key, **body) for _ in range(2)]
    assert (first.status_code, first.content, again.status_code) == (201, again.content, 201), again.text
    assert await _count(runtime, Screen, Screen.queue_id == clinic.queue_id) == 1


async def test_secrets_that_are_shown_once_are_not_kept(runtime: Runtime, door: Door, staff: Person) -> None:
    key, body = _new_key(), {"name": "Kiosk", "scopes": ["chat:read"]}
    first, again = [await door.post(staff, "/api-keys", key, **body) for _ in range(2)]
    assert first.status_code == again.status_code == 201
    assert first.json()["key"] != again.json()["key"]
    assert await _count(runtime, IdempotencyKey, IdempotencyKey.user_id == staff.id) == 0


async def test_keys_are_forgotten_after_a_day(runtime: Runtime, door: Door, staff: Person, clinic: Clinic) -> None:
    old, young, queue_id = _new_key(), _new_key(), str(clinic.queue_id)
    for key in (old, young):
        await door.post(staff, "/queue/tickets", key, queue_id=queue_id)
    async with runtime.transactions.begin() as unit:
        mine = update(IdempotencyKey).where(IdempotencyKey.user_id == staff.id, IdempotencyKey.key == old)
        await unit.session.execute(mine.values(created_at=now() - RETENTION))
    assert await jobs.prune_keys(runtime) >= 1
    codes = [(await door.post(staff, "/queue/tickets", key, queue_id=queue_id)).json()["code"] for key in (old, young)]
    assert codes == ["A-003", "A-002"]


def test_every_route_that_makes_something_takes_a_key(app: FastAPI) -> None:
    """Or is named above, with a reason. What is public has no user whose key it could be."""
    taking: set[str] = set()
    without: set[str] = set()
    for path, operations in app.openapi()["paths"].items():
        post = operations.get("post")
        if post is None or "/dev/" in path or post.get("x-policy") == "public":
            continue
        names = {parameter["name"].lower() for parameter in post.get("parameters", [])}
        (taking if "idempotency-key" in names else without).add(path)
    assert without == set(_WITHOUT_KEY)
    assert {"/api/v1/queue/tickets", "/api/v1/chat/threads/{thread_id}/messages"} <= taking

"""The queue over HTTP: tickets, calls, refusals, the public board and the public ticket."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from core.actor import Role
from core.runtime import Runtime
from domain.identity.actions import revoke_session
from models import Delivery
from tests.builders import Clinic, create_clinic
from tests.people import Person, create_person

NOBODY = "00000000-0000-7000-8000-000000000000"

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def clinic(runtime: Runtime) -> Clinic:
    return await create_clinic(runtime)


@pytest.fixture
async def staff(runtime: Runtime, clinic: Clinic) -> Person:
    return await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Ask:
    def request(person: Person | None, method: str, path: str, **json: Any) -> Awaitable[httpx.Response]:
        headers = person.bearer if person else {}
        return client.request(method, f"/api/v1{path}", headers=headers, json=json or None)

    return request


async def take(ask: Ask, staff: Person, clinic: Clinic, **more: Any) -> dict[str, Any]:
    response = await ask(staff, "POST", "/queue/tickets", queue_id=str(clinic.queue_id), **more)
    assert response.status_code == 201, response.text
    ticket: dict[str, Any] = response.json()
    return ticket


async def call_next(ask: Ask, staff: Person, clinic: Clinic, counter: int = 0) -> httpx.Response:
    counter_id = str(clinic.counter_ids[counter])
    return await ask(staff, "POST", "/queue/call-next", queue_id=str(clinic.queue_id), counter_id=counter_id)


def refused(response: httpx.Response, status: int, error_code: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["error_code"]) == (status, error_code), problem
    assert problem["detail"]
    assert problem["request_id"]
    return problem


async def test_a_visit_from_the_number_to_the_goodbye(ask: Ask, staff: Person, clinic: Clinic) -> None:
    first, second = await take(ask, staff, clinic), await take(ask, staff, clinic)
    assert (first["code"], first["position"], first["estimate"]) == ("A-001", 1, None)
    assert (second["code"], second["position"]) == ("A-002", 2)
    called = (await call_next(ask, staff, clinic)).json()
    assert (called["code"], called["status"], called["counter"]["name"]) == ("A-001", "called", "Desk 1")
    for status in ("called", "serving", "completed"):
        response = await ask(staff, "PATCH", f"/queue/{called['id']}/status", status=status)
        assert response.status_code == 200, response.text
    assert response.json()["recalls"] == 1
    assert response.json()["completed_at"] is not None
    assert response.json()["version"] == 5


async def test_staff_see_who_was_missed_and_can_bring_them_back(ask: Ask, staff: Person, clinic: Clinic) -> None:
    await take(ask, staff, clinic)
    called = (await call_next(ask, staff, clinic)).json()
    await ask(staff, "PATCH", f"/queue/{called['id']}/status", status="no_show")
    state = (await ask(staff, "GET", f"/queue/current?queue_id={clinic.queue_id}")).json()
    assert [ticket["status"] for ticket in state["queues"][0]["tickets"]] == ["no_show"]
    back = await ask(staff, "PATCH", f"/queue/{called['id']}/status", status="waiting")
    assert back.json()["status"] == "waiting"
    assert back.json()["counter"] is None


async def test_an_empty_queue_says_so(ask: Ask, staff: Person, clinic: Clinic) -> None:
    refused(await call_next(ask, staff, clinic), 409, "QUEUE_EMPTY")


async def test_an_illegal_change_says_what_is_allowed(ask: Ask, staff: Person, clinic: Clinic) -> None:
    ticket = await take(ask, staff, clinic)
    response = await ask(staff, "PATCH", f"/queue/{ticket['id']}/status", status="completed")
    detail = refused(response, 409, "ILLEGAL_TRANSITION")["detail"]
    assert "waiting" in detail
    assert "on_hold" in detail


async def test_a_change_from_an_old_view_is_refused(ask: Ask, staff: Person, clinic: Clinic) -> None:
    ticket = await take(ask, staff, clinic)
    await ask(staff, "PATCH", f"/queue/{ticket['id']}/status", status="on_hold", version=1)
    response = await ask(staff, "PATCH", f"/queue/{ticket['id']}/status", status="cancelled", version=1)
    assert "on_hold" in refused(response, 409, "VERSION_CONFLICT")["detail"]


@pytest.mark.parametrize("role", [None, Role.PATIENT, Role.ADVISOR, Role.STAFF, Role.DOCTOR])
async def test_only_those_who_work_there_run_the_queue(
    runtime: Runtime, ask: Ask, staff: Person, clinic: Clinic, role: Role | None
) -> None:
    ticket = await take(ask, staff, clinic)
    elsewhere = await create_clinic(runtime)
    clinics = (elsewhere.clinic_id,) if role in {Role.STAFF, Role.DOCTOR} else ()
    other = await create_person(runtime, role, clinic_ids=clinics) if role else None
    expected = (403, "AUTHORIZATION") if role else (401, "AUTHENTICATION")
    refused(await call_next(ask, other, clinic) if other else await _anonymous_call(ask, clinic), *expected)
    refused(await ask(other, "PATCH", f"/queue/{ticket['id']}/status", status="cancelled"), *expected)
    refused(await ask(other, "GET", f"/queue/current?queue_id={clinic.queue_id}"), *expected)


async def _anonymous_call(ask: Ask, clinic: Clinic) -> httpx.Response:
    body = {"queue_id": str(clinic.queue_id), "counter_id": str(clinic.counter_ids[0])}
    return await ask(None, "POST", "/queue/call-next", **body)


async def test_the_counter_of_another_clinic_is_refused(
    runtime: Runtime, ask: Ask, staff: Person, clinic: Clinic
) -> None:
    other = await create_clinic(runtime)
    body = {"queue_id": str(clinic.queue_id), "counter_id": str(other.counter_ids[0])}
    refused(await ask(staff, "POST", "/queue/call-next", **body), 422, "COUNTER_NOT_FOUND")


async def test_a_patient_takes_one_ticket_for_themselves(runtime: Runtime, ask: Ask, clinic: Clinic) -> None:
    patient = await create_person(runtime, Role.PATIENT)
    ticket = await take(ask, patient, clinic, priority=9)
    assert ticket["priority"] == 0, "patients do not give themselves priority"
    again = await ask(patient, "POST", "/queue/tickets", queue_id=str(clinic.queue_id))
    refused(again, 409, "TICKET_EXISTS")


async def test_a_patient_names_no_number_to_be_told_at(
    runtime: Runtime, ask: Ask, staff: Person, clinic: Clinic
) -> None:
    """Or else anybody with an account has the clinic text whom they like."""
    own, somebody = "+12025550101", "+12025550143"
    patient = await create_person(runtime, Role.PATIENT, phone=own)
    body = {"queue_id": str(clinic.queue_id), "phone": somebody}
    problem = refused(await ask(patient, "POST", "/queue/tickets", **body), 403, "PHONE_FOR_STAFF_ONLY")
    assert problem["errors"][0]["field"] == "phone"
    await take(ask, patient, clinic)
    await take(ask, staff, clinic, phone=somebody)
    for _ in range(2):
        assert (await call_next(ask, staff, clinic)).status_code == 200
    async with runtime.database.session() as session:
        told = select(Delivery.address).where(Delivery.address.in_([own, somebody]))
        assert sorted(await session.scalars(told)) == [own, somebody]


async def test_the_board_is_public_and_names_nobody(runtime: Runtime, ask: Ask, staff: Person, clinic: Clinic) -> None:
    patient = await create_person(runtime, Role.PATIENT, phone="+12025550199")
    await take(ask, patient, clinic)
    await take(ask, staff, clinic, phone="+12025550198")
    board = await ask(None, "GET", f"/queues/{clinic.queue_id}/board")
    assert board.status_code == 200
    assert board.headers["cache-control"] == "no-store"
    body = board.json()
    assert body["seq"] == 2
    assert set(body["state"]["tickets"][0]) == {
        "id", "code", "status", "priority", "arrived_at", "counter", "called_at", "recalls",
    }  # fmt: skip
    assert "Ada" not in board.text
    assert "20255501" not in board.text
    current = (await ask(staff, "GET", f"/queue/current?clinic_id={clinic.clinic_id}")).json()
    assert current["queues"][0]["tickets"][0]["patient"]["name"] == "Ada"


async def test_what_is_public_is_so_with_an_old_cookie_as_well(
    client: httpx.AsyncClient, runtime: Runtime, ask: Ask, staff: Person, clinic: Clinic
) -> None:
    ticket = await take(ask, staff, clinic)
    patient = await create_person(runtime)
    async with runtime.transactions.begin() as unit:
        await revoke_session(unit, patient.session_id)
    for path in (f"/queue/tickets/{ticket['link']}", f"/queues/{clinic.queue_id}/board"):
        by_cookie = {"Cookie": f"access_token={patient.access_token}"}
        assert (await client.get(f"/api/v1{path}", headers=by_cookie)).status_code == 200


async def test_a_ticket_is_public_by_its_link_only(ask: Ask, staff: Person, clinic: Clinic) -> None:
    await take(ask, staff, clinic)
    ticket = await take(ask, staff, clinic)
    await call_next(ask, staff, clinic)
    public = (await ask(None, "GET", f"/queue/tickets/{ticket['link']}")).json()
    assert public["code"] == "A-002"
    assert public["position"] == 1
    assert public["estimate"]["low_minutes"] <= public["estimate"]["high_minutes"]
    refused(await ask(None, "GET", f"/queue/tickets/{ticket['id']}"), 404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/queue/tickets", {"queue_id": "not-a-uuid"}),
        ("POST", "/queue/tickets", {"queue_id": NOBODY, "priority": 99}),
        ("POST", "/queue/tickets", {"queue_id": NOBODY, "phone": "call me"}),
        ("POST", "/queue/call-next", {"queue_id": NOBODY}),
        ("PATCH", f"/queue/{NOBODY}/status", {"status": "dancing"}),
        ("PATCH", f"/queue/{NOBODY}/status", {"status": "waiting", "reason": "NUL \x00"}),
        ("PATCH", f"/queue/{NOBODY}/status", {"status": "waiting", "version": 2**40}),
        ("GET", "/queue/current", {}),
    ],
)
async def test_bad_input_is_422_and_names_the_field(
    ask: Ask, staff: Person, method: str, path: str, body: dict[str, Any]
) -> None:
    refused(await ask(staff, method, path, **body), 422, "VALIDATION")


async def test_unknown_things_are_404(ask: Ask, staff: Person, clinic: Clinic) -> None:
    missing = str(uuid4())
    counter_id = str(clinic.counter_ids[0])
    refused(await ask(staff, "POST", "/queue/tickets", queue_id=missing), 404, "RESOURCE_NOT_FOUND")
    body = {"queue_id": missing, "counter_id": counter_id}
    refused(await ask(staff, "POST", "/queue/call-next", **body), 404, "RESOURCE_NOT_FOUND")
    refused(await ask(staff, "PATCH", f"/queue/{missing}/status", status="waiting"), 404, "RESOURCE_NOT_FOUND")
    refused(await ask(None, "GET", f"/queues/{missing}/board"), 404, "RESOURCE_NOT_FOUND")

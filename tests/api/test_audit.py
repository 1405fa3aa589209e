"""What goes into the audit, and who reads it."""

from typing import Any

import httpx
import pytest

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from tests.builders import create_clinic
from tests.domain.chat.builders import create_talk
from tests.people import PASSWORD, Person, create_person, some_email
from tests.support.web import open_socket, web_process

AUDIT = "/api/v1/audit"


@pytest.fixture
async def admin(runtime: Runtime) -> Person:
    """Who reads it."""
    return await create_person(runtime, Role.ADMIN)


async def entries(client: httpx.AsyncClient, admin: Person, **filters: Any) -> list[dict[str, Any]]:
    """What the audit says, newest first."""
    answer = await client.get(AUDIT, params={"limit": 100, **filters}, headers=admin.bearer)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_sign_ins_and_sign_outs(client: httpx.AsyncClient, runtime: Runtime, admin: Person) -> None:
    person = await create_person(runtime)
    form = {"username": person.email, "password": PASSWORD}
    token = (await client.post("/api/v1/auth/token", data=form)).json()["access_token"]
    assert (await client.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})).is_success
    seen = [entry for entry in await entries(client, admin) if entry["subject"] == f"user:{person.id}"]
    assert [entry["action"] for entry in seen[:2]] == ["session.ended", "sign_in.succeeded"]
    assert seen[0]["facts"]["session_id"] == seen[1]["facts"]["session_id"]
    assert seen[1]["actor_id"] == str(person.id)


async def test_a_failed_sign_in_names_no_address_and_no_password(
    client: httpx.AsyncClient, runtime: Runtime, admin: Person
) -> None:
    person, stranger = await create_person(runtime), some_email()
    for email in (person.email, stranger):
        await client.post("/api/v1/auth/login", json={"email": email, "password": "guessed-word"})
    newest = await client.get(AUDIT, params={"action": "sign_in.failed", "limit": 2}, headers=admin.bearer)
    subjects = [entry["subject"] for entry in newest.json()["items"]]
    assert subjects[1] == f"user:{person.id}"
    assert subjects[0].startswith("email:")
    for secret in (stranger, stranger.partition("@")[0], person.email, "guessed-word"):
        assert secret not in newest.text


async def test_attempts_while_an_address_is_locked_are_written_down(
    client: httpx.AsyncClient, runtime: Runtime, admin: Person
) -> None:
    person = await create_person(runtime)
    for _ in range(runtime.settings.login_failures + 2):
        await client.post("/api/v1/auth/login", json={"email": person.email, "password": "guessed-word"})
    seen = [
        entry["facts"]["error_code"]
        for entry in await entries(client, admin, action="sign_in.failed")
        if entry["subject"] == f"user:{person.id}"
    ]
    assert seen == ["RATE_LIMITED"] * 2 + ["AUTHENTICATION"] * runtime.settings.login_failures


async def test_guesses_of_a_code_that_are_stopped_are_written_down(
    client: httpx.AsyncClient, runtime: Runtime, admin: Person
) -> None:
    person = await create_person(runtime)
    for _ in range(runtime.settings.login_failures + 1):
        address = "/api/v1/auth/second-factor/disable"
        answer = await client.post(address, json={"otp": "000000"}, headers=person.bearer)
    assert answer.status_code == 429
    (entry,) = await entries(client, admin, actor_id=person.id, action="access.refused")
    assert (entry["subject"], entry["facts"]) == (f"POST {address}", {"error_code": "RATE_LIMITED"})


async def test_a_refusal_is_written_down_though_the_request_was_rolled_back(
    client: httpx.AsyncClient, runtime: Runtime, admin: Person
) -> None:
    clinic, patient = await create_clinic(runtime), await create_person(runtime)
    body = {"queue_id": str(clinic.queue_id), "counter_id": str(clinic.counter_ids[0])}
    assert (await client.post("/api/v1/queue/call-next", json=body, headers=patient.bearer)).status_code == 403
    (entry,) = await entries(client, admin, actor_id=patient.id, action="access.refused")
    assert entry["subject"] == "POST /api/v1/queue/call-next"
    assert entry["facts"] == {"error_code": "AUTHORIZATION"}
    assert entry["actor_role"] == "patient"


async def test_a_refused_socket_command_is_written_down(
    client: httpx.AsyncClient, runtime: Runtime, settings: Settings, admin: Person, tmp_path: Any
) -> None:
    patient, other = await create_person(runtime), await create_person(runtime)
    async with web_process(settings, tmp_path) as web, open_socket(web.url, patient.access_token) as socket:
        assert (await socket.subscribe(f"user:{other.id}"))["error_code"] == "AUTHORIZATION"
        # One command after the other: when the second is answered, the first is written down.
        assert (await socket.subscribe(f"user:{patient.id}"))["type"] == "subscribed"
    (entry,) = await entries(client, admin, actor_id=patient.id, action="access.refused")
    assert entry["subject"] == "socket subscribe"
    assert entry["facts"] == {"channel": f"user:{other.id}", "error_code": "AUTHORIZATION"}


async def test_changes_of_roles_and_deactivations(client: httpx.AsyncClient, runtime: Runtime, admin: Person) -> None:
    person = await create_person(runtime, Role.STAFF)
    for change in ({"role": "advisor"}, {"is_active": False}, {"is_active": True}):
        answer = await client.patch(f"/api/v1/users/{person.id}", json=change, headers=admin.bearer)
        assert answer.status_code == 200, answer.text
    assert (await client.delete(f"/api/v1/users/{person.id}", headers=admin.bearer)).status_code == 204
    seen = [
        entry for entry in await entries(client, admin, actor_id=admin.id) if entry["subject"] == f"user:{person.id}"
    ]
    changes = [(entry["action"], entry["facts"]) for entry in reversed(seen) if entry["action"].startswith("user.")]
    assert changes == [
        ("user.role_changed", {"role": "advisor", "role_before": "staff"}),
        ("user.deactivated", {}),
        ("user.reactivated", {}),
        ("user.deactivated", {}),
    ]


async def test_changes_of_memberships(client: httpx.AsyncClient, runtime: Runtime, admin: Person) -> None:
    person, clinic = await create_person(runtime, Role.STAFF), await create_clinic(runtime)
    address = f"/api/v1/clinics/{clinic.clinic_id}/members/{person.id}"
    for method in ("PUT", "DELETE"):
        assert (await client.request(method, address, headers=admin.bearer)).status_code == 204
    seen = [one for one in await entries(client, admin, actor_id=admin.id) if one["subject"] == f"user:{person.id}"]
    facts = {"clinic_id": str(clinic.clinic_id)}
    assert [(one["action"], one["facts"]) for one in reversed(seen)] == [
        ("clinic.member_added", facts),
        ("clinic.member_removed", facts),
    ]


async def test_pages_follow_each_other_without_gap_or_repeat(
    client: httpx.AsyncClient, runtime: Runtime, admin: Person
) -> None:
    doctor = await create_person(runtime, Role.DOCTOR)
    for number in range(7):
        async with runtime.transactions.begin(doctor.actor) as unit:
            write_entry(unit, AuditAction.RECORD_READ, f"record:{number}")
    subjects: list[str] = []
    cursor: str | None = None
    while True:
        query = {"actor_id": str(doctor.id), "action": "record.read", "limit": "3"} | (
            {"cursor": cursor} if cursor else {}
        )
        page = (await client.get(AUDIT, params=query, headers=admin.bearer)).json()
        subjects += [entry["subject"] for entry in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert subjects == [f"record:{number}" for number in reversed(range(7))]


async def test_entries_of_a_time(client: httpx.AsyncClient, runtime: Runtime, admin: Person) -> None:
    doctor = await create_person(runtime, Role.DOCTOR)
    moments = []
    for number in range(3):
        async with runtime.transactions.begin(doctor.actor) as unit:
            write_entry(unit, AuditAction.RECORD_READ, f"record:{number}")
            moments.append(unit.at.isoformat())
    filters = {"actor_id": doctor.id, "action": "record.read", "since": moments[1], "until": moments[2]}
    assert [entry["subject"] for entry in await entries(client, admin, **filters)] == ["record:1"]


@pytest.mark.parametrize("role", [Role.PATIENT, Role.STAFF, Role.DOCTOR, Role.ADVISOR])
async def test_only_administrators_read_it(client: httpx.AsyncClient, runtime: Runtime, role: Role) -> None:
    person = await create_person(runtime, role)
    assert (await client.get(AUDIT, headers=person.bearer)).status_code == 403
    assert (await client.get(AUDIT)).status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"action": "dance"},
        {"since": "yesterday"},
        {"until": "0001-01-01T00:00:00+14:00"},
        {"limit": 0},
    ],
)
async def test_bad_filters_are_422(client: httpx.AsyncClient, admin: Person, query: dict[str, Any]) -> None:
    answer = await client.get(AUDIT, params=query, headers=admin.bearer)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION")


async def test_asking_for_what_belongs_to_somebody_else_is_written_down(
    client: httpx.AsyncClient, runtime: Runtime, admin: Person
) -> None:
    """A 404 that does not say whether there is such a thing is a refusal like a 403."""
    patient, advisor = await create_person(runtime), await create_person(runtime, Role.ADVISOR)
    stranger = await create_person(runtime, Role.ADMIN)
    talk = await create_talk(runtime, patient=patient.actor, other=advisor.actor)
    answer = await client.get(f"/api/v1/chat/threads/{talk.id}/messages", headers=stranger.bearer)
    assert answer.status_code == 404
    (entry,) = await entries(client, admin, actor_id=stranger.id, action="access.refused")
    assert entry["subject"] == "GET /api/v1/chat/threads/{thread_id}/messages"
    assert entry["facts"] == {"thread_id": str(talk.id), "error_code": "RESOURCE_NOT_FOUND"}
    assert (await client.get(f"/api/v1/chat/threads/{talk.id}/messages", headers=advisor.bearer)).status_code == 200
    assert await entries(client, admin, actor_id=advisor.id, action="access.refused") == []

"""Notifications by REST, as document 001 uses them, and the development outbox."""

from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from api.app import create_app
from core.ids import new_id
from core.runtime import Runtime
from models import Delivery
from tests.domain.notifications.builders import call_ticket, create_patient, plan_sms, tell
from tests.people import Person, create_person
from workers import jobs
from workers.providers.local import LocalProvider

BASE = "/api/v1/notifications"


@pytest.fixture
async def person(runtime: Runtime) -> Person:
    """Somebody who was told nothing yet."""
    return await create_person(runtime)


async def listed(client: httpx.AsyncClient, person: Person, **query: str) -> list[str]:
    """The ids of a list."""
    response = await client.get(BASE, params=query, headers=person.bearer)
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]


async def test_a_notification_has_all_its_fields(client: httpx.AsyncClient, runtime: Runtime, person: Person) -> None:
    told = await tell(runtime, person.id, subject="thread:1", seq=4)
    response = await client.get(BASE, headers=person.bearer)
    assert response.json() == {
        "items": [
            {
                "id": str(told.id),
                "type": "message.received",
                "title": "Message from Ada",
                "body": "Open it.",
                "data": {"thread_id": "none", "seq": 4},
                "count": 1,
                "is_read": False,
                "created_at": told.created_at.isoformat().replace("+00:00", "Z"),
                "updated_at": told.updated_at.isoformat().replace("+00:00", "Z"),
            }
        ],
        "next_cursor": None,
    }


async def test_pages_follow_each_other_without_gap_or_repeat(
    client: httpx.AsyncClient, runtime: Runtime, person: Person
) -> None:
    told = [str((await tell(runtime, person.id)).id) for _ in range(7)]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    sizes = []
    while True:
        page = (await client.get(BASE, params=query, headers=person.bearer)).json()
        sizes.append(len(page["items"]))
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert (seen, sizes) == (told[::-1], [3, 3, 1])


@pytest.mark.parametrize("cursor", ["x", "1.2", "99999999999999999999999.x", f"9{'0' * 25}.{UUID(int=0)}", "\x00"])
async def test_a_bad_cursor_is_said(client: httpx.AsyncClient, person: Person, cursor: str) -> None:
    response = await client.get(BASE, params={"cursor": cursor}, headers=person.bearer)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION")


async def test_filters(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    message = str((await tell(runtime, person.id)).id)
    other = str((await tell(runtime, person.id)).id)
    read = await client.patch(f"{BASE}/{other}/read", headers=person.bearer)
    assert (read.status_code, read.json()["is_read"]) == (200, True)
    assert await listed(client, person, is_read="true") == [other]
    assert await listed(client, person, is_read="false") == [message]
    assert await listed(client, person, type="message.received") == [other, message]
    assert await listed(client, person, type="ticket.called") == []
    unknown = await client.get(BASE, params={"type": "weather"}, headers=person.bearer)
    assert unknown.status_code == 422


async def test_read_all_and_delete(client: httpx.AsyncClient, runtime: Runtime, person: Person) -> None:
    told = [str((await tell(runtime, person.id)).id) for _ in range(3)]
    read = await client.patch(f"{BASE}/read-all", headers=person.bearer)
    assert (read.status_code, read.json()) == (200, {"unread": 0})
    assert await listed(client, person, is_read="false") == []
    deleted = await client.delete(f"{BASE}/{told[1]}", headers=person.bearer)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert await listed(client, person) == [told[2], told[0]]
    assert (await client.delete(f"{BASE}/{told[1]}", headers=person.bearer)).status_code == 404


async def test_somebody_else_s_is_not_there(client: httpx.AsyncClient, runtime: Runtime, person: Person) -> None:
    actor, _ = await create_patient(runtime)
    theirs = (await tell(runtime, actor.user_id)).id
    for notification_id in (theirs, new_id()):
        responses = [
            await client.patch(f"{BASE}/{notification_id}/read", headers=person.bearer),
            await client.delete(f"{BASE}/{notification_id}", headers=person.bearer),
        ]
        for response in responses:
            assert (response.status_code, response.json()["error_code"]) == (404, "RESOURCE_NOT_FOUND")
    assert await listed(client, person) == []


async def test_nobody_is_asked_to_sign_in(client: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", ""),
        ("PATCH", "/read-all"),
        ("PATCH", "/00000000-0000-7000-8000-000000000000/read"),
        ("DELETE", "/00000000-0000-7000-8000-000000000000"),
    ):
        assert (await client.request(method, BASE + path)).status_code == 401


async def test_the_outbox_shows_what_was_sent_newest_first(client: httpx.AsyncClient, runtime: Runtime) -> None:
    provider = LocalProvider(runtime.database)
    first, second = await plan_sms(runtime), await plan_sms(runtime)
    for delivery in (first, second):
        await jobs.send_sms(runtime, provider, delivery.id)
    response = await client.get("/api/v1/dev/outbox")
    assert response.status_code == 200
    newest = [(item["to"], item["body"]) for item in response.json()["items"][:2]]
    assert newest == [(second.address, second.body), (first.address, first.body)]


async def test_production_has_no_outbox(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    production = runtime.settings.model_copy(update={"environment": "production"})
    monkeypatch.setattr(runtime, "settings", production)
    transport = httpx.ASGITransport(app=create_app(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        assert (await client.get("/api/v1/dev/outbox")).status_code == 404


async def test_the_link_in_the_sms_of_a_call_opens_the_ticket(client: httpx.AsyncClient, runtime: Runtime) -> None:
    phone = "+14155559999"
    ticket = await call_ticket(runtime, phone=phone)
    async with runtime.database.session() as session:
        sms = await session.scalar(select(Delivery).where(Delivery.address == phone))
    assert sms is not None
    page, word = sms.body.rsplit(" ", 1)[1].rsplit("/", 1)
    assert page == "http://localhost:8000/ticket"
    response = await client.get(f"/api/v1/queue/tickets/{word}")
    assert (response.status_code, response.json()["code"]) == (200, ticket.code)


async def test_preferences_say_what_comes_by_sms(client: httpx.AsyncClient, person: Person) -> None:
    address = f"{BASE}/preferences"
    assert (await client.get(address)).status_code == 401
    everything = {"sms": {"ticket.called": True, "message.received": True}, "quiet_hours": None}
    assert (await client.get(address, headers=person.bearer)).json() == everything
    changed = await client.patch(address, json={"sms": {"message.received": False}}, headers=person.bearer)
    assert changed.json() == everything | {"sms": {"ticket.called": True, "message.received": False}}
    assert (await client.get(address, headers=person.bearer)).json() == changed.json()
    for bad in ({"sms": {"weather": False}}, {"sms": {"ticket.called": None}}):
        refused = await client.patch(address, json=bad, headers=person.bearer)
        assert (refused.status_code, refused.json()["error_code"]) == (422, "VALIDATION")
    back = await client.patch(address, json={"sms": {"message.received": True}}, headers=person.bearer)
    assert back.json() == everything


async def test_preferences_say_when_nothing_comes_by_sms(client: httpx.AsyncClient, person: Person) -> None:
    address = f"{BASE}/preferences"
    night = {"start": "22:00", "end": "07:30", "time_zone": "Europe/Berlin"}
    changed = await client.patch(address, json={"quiet_hours": night}, headers=person.bearer)
    assert changed.json()["quiet_hours"] == night
    other = await client.patch(address, json={"sms": {"message.received": False}}, headers=person.bearer)
    assert other.json()["quiet_hours"] == night, "what is not named stays"
    for wrong in ({"end": "22:00"}, {"start": "24:00"}, {"start": "9:00"}, {"time_zone": "Mars/Olympus"}):
        refused = await client.patch(address, json={"quiet_hours": night | wrong}, headers=person.bearer)
        assert (refused.status_code, refused.json()["error_code"]) == (422, "VALIDATION"), wrong
    never = await client.patch(address, json={"quiet_hours": None}, headers=person.bearer)
    assert never.json() == {"sms": {"ticket.called": True, "message.received": False}, "quiet_hours": None}

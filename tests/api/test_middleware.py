"""What is around every answer: headers for browsers and caches, and a line in the log without what opens something."""

import re

import httpx
import pytest
from sqlalchemy import select

from core.runtime import Runtime
from models import Ticket
from tests.builders import create_clinic, take_ticket
from tests.people import create_person


async def test_no_cache_keeps_what_the_api_says(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    for path in ("/users/me", "/chat/threads", "/notifications", "/auth/sessions", "/audit", "/nothing"):
        answer = await client.get(f"/api/v1{path}", headers=person.bearer)
        assert answer.headers["cache-control"] == "no-store", path


async def test_pages_load_nothing_from_elsewhere_and_send_nothing_there(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/healthz")).headers["content-security-policy"].split("; ")
    assert {"default-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'self'"} <= set(policy)


async def test_the_log_names_the_route_and_not_what_opens_it(
    client: httpx.AsyncClient, runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic = await create_clinic(runtime)
    ticket_id = await take_ticket(runtime, clinic.queue_id)
    async with runtime.database.session() as session:
        link = await session.scalar(select(Ticket.link).where(Ticket.id == ticket_id))
    assert (await client.get(f"/api/v1/queue/tickets/{link}")).status_code == 200
    assert (await client.get(f"/ticket/{link}?code=secret")).status_code in {200, 404}
    assert (await client.get(f"/api/v1/queues/{clinic.queue_id}/board")).status_code == 200
    said = re.sub(r"\x1b\[[0-9;]*m", "", "".join(capsys.readouterr()))
    assert link is not None
    assert link not in said
    assert "secret" not in said
    assert "path=/api/v1/queue/tickets/{link}" in said
    assert "path=/ticket/{link}" in said
    assert f"path=/api/v1/queues/{clinic.queue_id}/board" in said

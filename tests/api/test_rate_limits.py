"""Too often is 429: per user, per address, and per email that somebody guesses passwords for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from api.app import create_app
from api.rate_limits import caller_of
from core.actor import Role
from core.rate_limits import RateLimit
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.actions_keys import create_api_key
from tests.conftest import running
from tests.people import PASSWORD, create_person, some_email
from tests.support.web import web_process

WRONG = "not the password"
SENTENCE = "Too many failed attempts. Please try again in 15 minute(s)."


def client_of(app: FastAPI, address: str = "198.51.100.7", **options: object) -> httpx.AsyncClient:
    """Somebody at that address."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", **options)  # type: ignore[arg-type]


@asynccontextmanager
async def limited(settings: Settings, requests_per_minute: int) -> AsyncIterator[tuple[FastAPI, Runtime]]:
    """The API with a limit that a test can reach; counters of its own, by a secret of its own where one is needed."""
    async with running(settings.model_copy(update={"requests_per_minute": requests_per_minute})) as runtime:
        yield create_app(runtime), runtime


async def attempt(client: httpx.AsyncClient, email: str, password: str = WRONG) -> httpx.Response:
    """Try to sign in."""
    return await client.post("/api/v1/auth/login", json={"email": email, "password": password})


async def test_five_failures_lock_the_email_with_the_sentence_of_the_document(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = await create_person(runtime)
    for _ in range(5):
        assert (await attempt(client, person.email)).status_code == 401
    locked = await attempt(client, person.email, PASSWORD)
    assert locked.status_code == 429
    assert locked.headers["content-type"] == "application/problem+json"
    assert locked.json()["detail"] == SENTENCE
    assert locked.json()["error_code"] == "RATE_LIMITED"
    assert 14 * 60 < int(locked.headers["retry-after"]) <= 15 * 60
    form = {"username": person.email.upper(), "password": PASSWORD}
    assert (await client.post("/api/v1/auth/token", data=form)).status_code == 429


@pytest.mark.parametrize("email", ["{}@example.com", "no address {}"])
async def test_an_address_without_an_account_is_locked_alike(client: httpx.AsyncClient, email: str) -> None:
    typed = email.format(some_email().partition("@")[0])
    for _ in range(5):
        assert (await attempt(client, typed)).status_code == 401
    assert (await attempt(client, typed)).json()["detail"] == SENTENCE


async def test_guesses_at_the_same_time_are_counted_before_they_are_looked_at(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = await create_person(runtime)
    answers = await asyncio.gather(*(attempt(client, person.email) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_a_sign_in_that_succeeds_forgets_the_failures_before(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    for _ in range(2):
        for _ in range(4):
            assert (await attempt(client, person.email)).status_code == 401
        assert (await attempt(client, person.email, PASSWORD)).status_code == 200


async def test_others_are_not_locked_with_one(client: httpx.AsyncClient, runtime: Runtime) -> None:
    one, other = await create_person(runtime), await create_person(runtime)
    for _ in range(6):
        await attempt(client, one.email)
    assert (await attempt(client, other.email, PASSWORD)).status_code == 200


async def test_requests_are_counted_per_user_wherever_they_come_from(settings: Settings) -> None:
    async with limited(settings, 3) as (app, runtime):
        one, other = await create_person(runtime), await create_person(runtime)
        statuses = []
        for address in ("198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"):
            async with client_of(app, address, headers=one.bearer) as client:
                answer = await client.get("/api/v1/users/me")
                statuses.append(answer.status_code)
        assert statuses == [200, 200, 200, 429]
        assert answer.json()["error_code"] == "RATE_LIMITED"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        async with client_of(app, "198.51.100.1", headers=other.bearer) as client:
            assert (await client.get("/api/v1/users/me")).status_code == 200


async def test_requests_with_a_key_are_counted_per_key_wherever_they_come_from(settings: Settings) -> None:
    async with limited(settings, 3) as (app, runtime):
        staff = await create_person(runtime, Role.STAFF)
        keys = []
        for _ in range(2):
            async with runtime.transactions.begin(staff.actor) as unit:
                keys.append((await create_api_key(unit, "Till", ["queues:read"], timedelta(days=1))).key)
        network = f"2001:db8:{some_email()[:4]}:"

        async def ask(key: str, number: int) -> int:
            async with client_of(app, f"{network}{number:x}::1", headers={"Authorization": f"Bearer {key}"}) as client:
                return (await client.get("/api/v1/users/me")).status_code

        # The first shows that the key is genuine, and counts for its address.
        assert [await ask(keys[0], number) for number in range(5)] == [200, 200, 200, 200, 429]
        assert await ask(keys[1], 0) == 200
        # Made-up keys are no callers: they are their address, whatever they are called.
        assert [await ask(f"cbk_{number}", 9) for number in range(4)] == [401, 401, 401, 429]


async def test_without_a_sign_in_requests_are_counted_per_address(settings: Settings) -> None:
    async with limited(settings, 2) as (app, _):
        # An IPv6 network of its own: whoever has a /64 moves about in it at will.
        network = f"2001:db8:{some_email()[:4]}:{some_email()[:4]}"
        statuses = []
        for host in ("1", "2", "ffff:3"):
            async with client_of(app, f"{network}::{host}", headers={"Authorization": f"Bearer {host}"}) as client:
                statuses.append((await client.get("/api/v1/users/me")).status_code)
        assert statuses == [401, 401, 429]


async def test_health_pages_and_documents_are_not_counted(settings: Settings) -> None:
    async with limited(settings, 1) as (app, _), client_of(app, f"2001:db8:{some_email()[:4]}::1") as client:
        assert [(await client.get("/healthz")).status_code for _ in range(4)] == [200] * 4
        assert (await client.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({}, "address:203.0.113.9"),
        ({"x-forwarded-for": "192.0.2.1"}, "address:203.0.113.9"),
        ({"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}, "address:203.0.113.9"),
    ],
)
def test_what_is_not_proven_is_an_address(shown: dict[str, str], expected: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in shown.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "client": ("203.0.113.9", 1)}
    assert caller_of(Request(scope), "secret") == expected


async def _counted_apart(settings: Settings, tmp_path: Path, trusted: list[str]) -> list[int]:
    async with (
        web_process(settings, tmp_path, requests_per_minute=2, trusted_proxies=trusted) as web,
        httpx.AsyncClient(base_url=web.url) as client,
    ):
        statuses = []
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
            spoofed = {"X-Forwarded-For": f"10.9.9.9, {address}"}
            statuses.append((await client.get("/api/v1/users/me", headers=spoofed)).status_code)
        return statuses


async def test_x_forwarded_for_is_believed_from_a_trusted_proxy_only(
    settings: Settings, runtime: Runtime, tmp_path: Path
) -> None:
    for address in ("127.0.0.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
        await runtime.rate_limits.forget(RateLimit("requests", 2, 60), f"address:{address}")
    assert await _counted_apart(settings, tmp_path, []) == [401, 401, 429]
    assert await _counted_apart(settings, tmp_path, ["127.0.0.0/8"]) == [401, 401, 401]
